#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plays one side of the protocol (docs/protocol.md) against the other, and says where that is not as the page says.

    conformance.py host PATH             a client, against the host on this socket, which has the modules echo and timer
    conformance.py host -- COMMAND…      the same; COMMAND starts the host on $BACKPLANE_SOCKET
    conformance.py client -- COMMAND…    a host, against a client; COMMAND starts its driver (README.md)

`--only PART` runs the checks whose names have PART. Exit codes: 0 all pass; 1 some do not; 2 usage."""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import conform_client
import conform_host
from peer import Failed


def run(checks, subject, only, after=None):
    failed = 0
    for check in checks:
        if only not in check.__name__:
            continue
        words = check.__name__.replace("_", " ")
        try:
            check(subject)
            if after is not None:
                after()
        except Failed as error:
            failed += 1
            print(f"FAILED  {words}: found {error}")
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {words}\n{traceback.format_exc()}")
        else:
            print(f"ok      {words}")
        sys.stdout.flush()
    return failed


def wait_for(path, process):
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"conformance.py: no host on {path}; expected the command to start one there")


def check_host(arguments):
    if not arguments.command:
        host = conform_host.Host(arguments.path)
        return run(conform_host.CHECKS, host, arguments.only, host.serves)
    with tempfile.TemporaryDirectory(prefix="backplane-conform.") as folder:
        path = os.path.join(folder, "host.sock")
        with subprocess.Popen(arguments.command, env={**os.environ, "BACKPLANE_SOCKET": path}) as process:
            try:
                wait_for(path, process)
                host = conform_host.Host(path)
                return run(conform_host.CHECKS, host, arguments.only, host.serves)
            finally:
                process.terminate()
                process.wait(20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=["host", "client"], help="whom to check")
    parser.add_argument("path", nargs="?", help="the socket of a running host")
    parser.add_argument("--only", default="", metavar="PART")
    given = sys.argv[1:]
    at = given.index("--") if "--" in given else len(given)
    arguments = parser.parse_args(given[:at])
    arguments.command = given[at + 1:]
    if (arguments.path is None) == (not arguments.command) or (arguments.side == "client" and not arguments.command):
        parser.error("expected the path of a host's socket, or -- and a command")
    if arguments.side == "client":
        failed = run(conform_client.CHECKS, arguments.command, arguments.only)
    else:
        failed = check_host(arguments)
    if failed:
        sys.exit(f"conformance.py: {failed} checks failed")


if __name__ == "__main__":
    main()
