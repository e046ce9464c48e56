# SPDX-License-Identifier: Apache-2.0
"""The commands that a page shows, as `    $ command`, with the lines of output below them."""

MARK = "@@ command"


def commands(text):
    """(command, lines of output) of each, in order."""
    found, current = [], None
    for line in text.splitlines():
        if line.startswith("    $ "):
            current = (line.removeprefix("    $ "), [])
            found.append(current)
        elif line.startswith("    ") and current:
            current[1].append(line.strip())
        else:
            current = None
    return found


def section(text, heading):
    """The part below this heading, up to the next one of its level or a higher one."""
    level = heading.split(" ")[0]
    _, found, rest = text.partition(f"\n{heading}\n")
    if not found:
        raise LookupError(f"the page has no heading '{heading}'")
    lines = []
    for line in rest.splitlines():
        if line.startswith("#") and len(line.split(" ")[0]) <= len(level) and line.split(" ")[0].strip("#") == "":
            break
        lines.append(line)
    return "\n".join(lines)


def script(shown):
    """A bash script that runs them one after the other, and ends at the first that fails."""
    out = ["set -e", "sudo() { \"$@\"; }", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for command, _ in shown:
        out.append(f"echo '{MARK}'\n{command}")
        if command.endswith("run &"):
            out.append("for i in $(seq 600); do backplane ls >/dev/null 2>&1 && break; sleep 0.05; done")
    return "\n".join(out) + "\n"


def compare(shown, output):
    """What is wrong, as text; empty: each command that shows output printed just that."""
    printed = [part.splitlines() for part in output.split(MARK + "\n")[1:]]
    if len(printed) != len(shown):
        return f"{len(printed)} of {len(shown)} commands ran"
    for (command, expected), found in zip(shown, printed):
        if expected and found != expected:
            return f"{command}: found {found}, expected {expected}"
    return ""
