#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tests of each area take no longer than its budget in tests/CMakeLists.txt. The times are those of the last runs of the
release build on this machine, as ctest keeps them; a test that has not run counts nothing, and its area is only listed.

The budgets hold on two cores with nothing beside the tests. So up to twice the budget is told and is no finding: load and
slower machines explain as much. More than that is one. `--all` lists the areas that keep theirs, too.
"""

import collections
import json
import os
import re
import subprocess

import common

LIST = "tests/CMakeLists.txt"
COSTS = "build/Testing/Temporary/CTestCostData.txt"


def budgets(root):
    with open(os.path.join(root, LIST), encoding="utf-8") as file:
        words = re.search(r"set\(time_budgets\s([^)]*)\)", file.read())[1].split()
    return {area: int(seconds) for area, seconds in zip(words[::2], words[1::2])}


def times(root):
    """Test: seconds, a mean over its last runs."""
    try:
        with open(os.path.join(root, COSTS), encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except FileNotFoundError:
        return {}
    return {line[0]: float(line[2]) for line in lines if len(line) == 3}


def tests(root):
    """(name, area) of each test of the release build."""
    done = subprocess.run(["ctest", "--test-dir", os.path.join(root, "build"), "--show-only=json-v1"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return
    for test in json.loads(done.stdout)["tests"]:
        labels = next((each["value"] for each in test.get("properties", []) if each["name"] == "LABELS"), [])
        yield test["name"], next((label for label in labels if label != "core"), "")


def main():
    options = common.arguments(__doc__, all=(False, "list the areas that keep their budget, too"))
    wanted, took = budgets(options.root), times(options.root)
    spent, missing = collections.Counter(), collections.Counter()
    for name, area in tests(options.root):
        if name in took:
            spent[area] += took[name]
        else:
            missing[area] += 1
    if not spent:
        print("test_time: no test of build/ has run yet; scripts/test runs them")
    findings = common.Findings()
    for area, budget in sorted(wanted.items()):
        if area not in spent and area not in missing:
            continue
        text = f"{spent[area]:.0f} s of {budget} s"
        text += f", without {missing[area]} tests that have not run" if missing[area] else ""
        if spent[area] > 2 * budget:
            findings.add(LIST, 1, f"the tests of tests/{area} take {text}; expected at most twice that budget; make them"
                         " faster, or move long ones into a script")
        elif options.all or spent[area] > budget:
            print(f"test_time: tests/{area}: {text}")
    findings.finish(wanted)


if __name__ == "__main__":
    main()
