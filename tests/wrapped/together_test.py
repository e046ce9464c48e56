# SPDX-License-Identifier: Apache-2.0
"""All modules of the table in one host: they are used side by side, come, go, and end in any order."""

import pathlib
import random
import re
import unittest

from client import OK, Callers
from table import TABLE
from wrapped_case import WrappedCase

NAMES = list(TABLE)


class Together(WrappedCase):
    def setUp(self):
        super().setUp()
        self.asked = {name: self.cases(name).small for name in NAMES}

    def ask(self, client, names):
        for name in names:
            for call in self.asked[name]:
                client.check(call)

    def test_the_page_about_libraries_has_the_outcomes_of_the_table(self):
        page = pathlib.Path(__file__).parents[2].joinpath("docs", "libraries.md").read_text(encoding="utf-8")
        told = {library: outcome for libraries, outcome in re.findall(r"(?m)^\| ([^|]+) \| (gone|pinned) \|", page)
                for library in libraries.split(", ")}
        self.assertEqual(told, {row.library: row.outcome for row in TABLE.values()})

    def test_they_are_unloaded_in_any_order(self):
        for seed in range(3):
            with self.subTest(seed=seed):
                names = NAMES if seed == 0 else random.Random(seed).sample(NAMES, len(NAMES))
                client = self.start(*names)
                try:
                    self.ask(client, names)
                    for i, name in enumerate(reversed(names)):
                        self.unload(client, name)
                        self.ask(client, names[:len(names) - 1 - i:5])
                    self.stop()
                finally:
                    self.process.stop()

    def test_the_host_ends_with_all_of_them(self):
        client = self.start(*NAMES)
        self.ask(client, NAMES)
        self.stop()

    def test_each_is_reloaded_while_all_are_used(self):
        client = self.start(*NAMES)
        callers = Callers(self.socket, [call for name in NAMES for call in self.asked[name]], 8)
        self.addCleanup(callers.ends.set)
        for name in NAMES:
            if TABLE[name].second:
                continue
            status, message, old = client.reload(name)
            self.assertEqual(status, OK, message)
            self.assert_ended(name, old)
        callers.stop()
        for name in NAMES:
            self.unload(client, name)
        self.stop()


if __name__ == "__main__":
    unittest.main()
