# SPDX-License-Identifier: Apache-2.0
"""The hot paths take no more instructions than they did: counted by callgrind, which no busy machine disturbs.

EXPECTED is what g++ 12 at -O3 makes of them on x86_64. A change that makes a path longer on purpose changes the number
here, and says why; one that makes it shorter does too, so that the gain is kept.
"""
import os
import platform
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["BACKPLANE_INSTRUCTIONS"]
EXPECTED = {
    # The next two grew by 15 instructions a call when the loop was cut into parts that reach each other by reference,
    # and by about 30 and 60 with sources, windows and the warning of handlers that hold the thread for long.
    # By then they had drifted to 1562 and 972; the bounds of calls in flight take 10 more.
    "request": 1572,  # a 64-byte echo: submitted from the reply before it, one in each turn of the loop
    "requests": 982,  # the same, 64 in each turn
    # The same as the server does it: with a source and a handle; 1503 before spare records were used. It had drifted to
    # 1330; what a forked child, a held module and a stack of another size need takes about 20 in each of the three.
    "sourced": 1350,
    "switch": 195,    # to a fiber and back, through bp.fiber/1
    "create": 394,    # a fiber is made, runs, and returns
    "encode": 312,    # {a, b: int64, x: float64, ok: bool, name: text} by the SDK
    "decode": 476,    # the same, read into a struct
    # 394 before the decoder knew whether it reads strictly or leniently, and what variants may still try.
    "typed": 415,     # {a, b: int64, x: float64} -> {ok: bool}: the SDK's handler without the host
    "raw": 61,        # 64 bytes given back: the SDK's raw handler without the host
}
TOLERANCE = 0.05
# Runs that take a microsecond have others timed after them, and at callgrind's pace it is chance which ones do.
LOOSE = {"request": 0.09, "requests": 0.09, "sourced": 0.09}


def instructions(what, count):
    with tempfile.TemporaryDirectory() as scratch:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out", PROGRAM, what, str(count)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr).group(1))


class HotPaths(unittest.TestCase):
    def test_each_takes_the_instructions_that_it_did(self):
        for what, expected in EXPECTED.items():
            # The difference leaves out what comes before and after.
            few, many = 2_000, 12_000
            each = (instructions(what, many) - instructions(what, few)) / (many - few)
            print(f"{what}: {each:.0f} instructions, expected {expected}")
            with self.subTest(what):
                tolerance = LOOSE.get(what, TOLERANCE)
                self.assertLess(each, expected * (1 + tolerance))
                self.assertGreater(each, expected * (1 - tolerance))


if __name__ == "__main__":
    if platform.machine() != "x86_64":
        sys.exit(0)
    unittest.main()
