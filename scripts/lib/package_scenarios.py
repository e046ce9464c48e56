# SPDX-License-Identifier: Apache-2.0
"""What the built packages must do in scratch roots without a service manager. package_boot.py has the rest."""

import re

import cbor2

import shown as shown_commands
from package_build import ROOT, Failed, say
from package_root import Root

# Starts a host and waits for it; `finish` ends it. $host_log has what it says.
HOST = """
set -e
export BACKPLANE_SOCKET=/tmp/s host_log=/tmp/host.log
backplane run --data-dir /tmp/data >$host_log 2>&1 &
host=$!
for i in $(seq 600); do grep -q 'ready on' $host_log && break; kill -0 $host || { cat $host_log >&2; exit 1; }; sleep 0.05; done
finish() { backplane stop; wait $host; }
"""
CALL = "test \"$(backplane call echo.shout '{\"text\": \"hello\"}')\" = '{\"shouted\":\"HELLO\",\"prefix\":\"\"}'\n"
PACKAGES = "backplane backplane-bindgen backplane-doc libbackplane-dev libbackplane0 python3-backplane"


def answer(text):
    return cbor2.loads(bytes.fromhex(text))


def expect(found, expected, what):
    if found != expected:
        raise Failed(f"{what}: found {found!r}, expected {expected!r}")


def first_call(repository, figures):
    """How long it takes from `apt install` to the first answer. The download is made before."""
    with Root(repository, "first-call") as root:
        root.bash("apt-get install -y --download-only backplane")
        took = root.bash("set -e; begin=$(date +%s%N); apt-get install -y backplane >&2\n" + HOST + CALL +
                         "echo $((($(date +%s%N) - begin) / 1000000)); finish >&2")
        figures["apt install to the first answered call"] = f"{int(took.split()[-1]) / 1000:.1f} s"


CONSUMERS = """
cp -r /usr/share/doc/backplane/examples/consumers /tmp/consumers
cd /tmp/consumers
"""
ANSWER = 'answer() { "$@" | od -An -v -tx1 | tr -d " \\n"; echo; }\n'


def c_alone(repository, _figures):
    """Applications and modules in C need nothing but libbackplane-dev and a C compiler."""
    with Root(repository, "c-alone") as root:
        out = root.bash("set -e; apt-get install -y libbackplane-dev backplane-doc gcc libc6-dev pkg-config >&2\n" +
                        ANSWER + CONSUMERS + """
for absent in 'libboost.*-dev' 'libcbor-dev' 'g\\+\\+'; do
  ! dpkg-query -W -f '${Package}\\n' | grep -qxE "$absent" || { echo "found $absent" >&2; exit 1; }
done
cc -std=c11 -Wall -Werror c_application/main.c $(pkg-config --cflags --libs backplane) -o application
cc -std=c11 -O2 -Wall -Werror pkg_config_module/counter.c $(pkg-config --cflags --libs backplane-module) -o counter.so
answer ./application ./counter.so counter.next
""")
        expect(answer(out.split()[-1]), 1, "counter.next")


def as_shown(root, shown):
    """Runs the commands of a page where it says, at the top of a tree whose packages are built. What they printed."""
    output = root.bash("cd /tree\n" + shown_commands.script(shown))
    wrong = shown_commands.compare(shown, output)
    if wrong:
        raise Failed(wrong)
    return output


def consumers(repository, figures):
    """The four projects outside of the source tree build and run from the packages alone, as docs/packaging.md shows."""
    with Root(repository, "consumers") as root:
        shown = [each for each in shown_commands.commands((ROOT / "docs/packaging.md").read_text())
                 if not each[0].startswith(("scripts/", "sudo cmake"))]
        as_shown(root, shown)
        figures["consumers"] = "4 of 4 build and run from the packages alone"


def readme(repository, _figures):
    """The first page's commands for an installed Backplane."""
    with Root(repository, "readme") as root:
        shown = shown_commands.commands(shown_commands.section((ROOT / "README.md").read_text(), "### Installed"))
        as_shown(root, [each for each in shown if not each[0].startswith("scripts/")])


def life(repository, versions, figures):
    """Install the older packages, upgrade, go back, remove and purge: the operator's files stay until the end, and then
    nothing is left."""
    old, new = versions
    with Root(repository, "life") as root:
        root.bash("mkdir -m 700 /var/lib/private /run/private")  # as systemd does
        root.bash("apt-get install -y python3-cffi-backend python3-jinja2")  # what these leave is not ours
        before = root.files()
        names = PACKAGES.split()

        def at(version):
            return " ".join(f"{name}={version}" for name in names)

        root.bash(f"apt-get install -y {at(old)}")
        expect(root.bash("dpkg-query -W -f '${Version}' backplane"), old, "the version installed first")
        conffiles = root.bash("dpkg-query -W -f '${Conffiles}' backplane").split()[::2]
        # As the operator and the service leave them.
        root.bash("set -e; mkdir -p /var/lib/private/backplane; echo kept >/var/lib/private/backplane/data\n"
                  "ln -s private/backplane /var/lib/backplane\n"
                  "mkdir /run/private/backplane; ln -s private/backplane /run/backplane\n" +
                  "".join(f"echo '# the operator was here' >>{path}\n" for path in conffiles))
        steps = (("an upgrade", f"apt-get install -y {at(new)}"),
                 ("a downgrade", f"apt-get install -y --allow-downgrades {at(old)}"),
                 ("the second upgrade", "apt-get dist-upgrade -y"), ("a removal", f"apt-get remove -y {PACKAGES}"),
                 ("an installation after a removal", f"apt-get install -y {PACKAGES}"))
        for step, command in steps:
            root.bash(command)
            expect(root.bash("cat /var/lib/backplane/data"), "kept\n", f"the data after {step}")
            for path in conffiles:
                expect(root.bash(f"tail -n 1 {path}"), "# the operator was here\n", f"{path} after {step}")
        root.bash("set -e\n" + HOST + CALL + "finish >&2")
        root.bash(f"apt-get purge -y {PACKAGES} && apt-get autoremove --purge -y")
        left = sorted(root.files() - before)
        expect(left, [], "what a purge leaves behind")
        figures["install, upgrade, downgrade, purge"] = f"nothing is left; {len(conffiles)} configuration file(s) kept"


def mixed(repository, versions, _figures):
    """Packages of two versions: apt keeps the daemon and its library together."""
    old, new = versions
    with Root(repository, "mixed") as root:
        root.bash(f"apt-get install -y backplane={old} libbackplane0={old}")
        root.bash("apt-get install -y libbackplane0")
        expect(root.bash("dpkg-query -W -f '${Version} ' backplane libbackplane0").split(), [new, new],
               "the versions after an upgrade of the library alone")
        shlibs = root.bash("dpkg-query -W -f '${Depends}' backplane")
        if not re.search(rf"libbackplane0 \(= {re.escape(new)}\)", shlibs):
            raise Failed(f"backplane depends on {shlibs}; expected the library of its own version")


def all_of(new, both, versions, figures):
    for scenario in (first_call, readme, c_alone, consumers):
        say(scenario.__doc__.strip().splitlines()[0])
        scenario(new, figures)
    for scenario in (life, mixed):
        say(scenario.__doc__.strip().splitlines()[0])
        scenario(both, versions, figures)
