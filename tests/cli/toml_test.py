# SPDX-License-Identifier: Apache-2.0
"""TOML 1.0.0 in the configuration file: what the specification has as valid means the same here, what it has not is refused.

The expected values come from Python's own reader of TOML 1.0.0. They pass through --print-config, so this also shows that
what it prints is TOML with the same meaning."""

import datetime
import tomllib
import unittest

from harness import FIXTURE, Case

# Bodies of the table [modules.cli_fixture.config].
VALID = [
    # comments and white space
    "# a comment\na = 1 # another\n\t b\t=\t2\t\n\r\nc = 3\r\n# at the end", "a = 1", "",
    # keys
    "key = 1\nbare_key = 2\nbare-key = 3\n1234 = 4", '"127.0.0.1" = 1\n"character encoding" = 2\n\'quoted "value"\' = 3',
    '"" = 1', "'' = 2", 'fruit.name = "banana"\nfruit . color = "yellow"\nfruit."x.y" = 1', "3.14159 = 'pi'",
    "apple.type = 'fruit'\norange.type = 'fruit'\napple.skin = 'thin'", '"\\u00e9" = 1', "true = 1\nnan = 2\n-1 = 3",
    # strings
    r'a = "tab \t, line \n, feed \f, back \b, return \r, quote \", slash \\"', 'a = "\\u00E9 \\U0001F600 é 😀"',
    'a = """\nRoses\n  Violets"""', 'a = """\\\n    The quick \\\n\n   brown."""', 'a = """Two quotes: "". Three: ""\\"."""',
    'a = """"quoted.""""', 'a = """"" five """""', "a = 'C:\\Users\\nodejs'", "a = ''", 'a = ""', 'a = """"""',
    "a = ''''''", "a = '''\nfirst\nlast\n'''", "a = '''That,' she said, 'is ''it''.'''", "a = '''''two before'''", 'a = "\x7f"'
    .replace("\x7f", "\\u007F"),
    # integers
    "a = +99\nb = 42\nc = 0\nd = -17\ne = 1_000\nf = 5_349_221\ng = 53_49_221\nh = 1_2_3_4_5\ni = -0\nj = +0",
    "a = 0xDEADBEEF\nb = 0xdeadbeef\nc = 0xdead_beef\nd = 0o01234567\ne = 0o755\nf = 0b11010110\ng = 0x0",
    "a = 9223372036854775807\nb = -9223372036854775808",
    # floats
    "a = +1.0\nb = 3.1415\nc = -0.01\nd = 5e+22\ne = 1e06\nf = -2E-2\ng = 6.626e-34\nh = 224_617.445_991_228\ni = 0.0\nj = -0.0",
    "a = inf\nb = +inf\nc = -inf",
    # booleans
    "a = true\nb = false",
    # dates and times
    "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00Z", "a = 1979-05-27", "a = 07:32:00",
    "a = 1979-05-27T07:32:00", "a = 2000-02-29",
    # arrays
    "a = []", "a = [1, 2, 3]", "a = [[1, 2], ['a', 'b']]", "a = [1, 2.0, 'x', [], {}, true]", "a = [\n 1, # one\n\n 2,\n]",
    "a = [ ]", "a = ['''x''', \"\"\"y\"\"\", 'z']",
    # tables
    "b = { x = 1, y = 2 }", "a = {}", "a = { type.name = 'pug', type.age = 3 }", "a = [{x=1}, {x=2}]", "a={b={c={d=1}}}",
    "[modules.cli_fixture.config.sub]\na = 1\n[modules.cli_fixture.config.sub.'two words'.x]\nb = 2",
    "[modules.cli_fixture.config.x.y.z.w]\n[modules.cli_fixture.config.x]\na = 1",
    "[[modules.cli_fixture.config.list]]\na = 1\n[[modules.cli_fixture.config.list]]\n"
    "[[modules.cli_fixture.config.list]]\na = 2\n[modules.cli_fixture.config.list.sub]\nb = 3\n"
    "[[modules.cli_fixture.config.list.inner]]\nc = 4",
    "[ modules . cli_fixture . 'config' . t ]\na = 1",
]

INVALID = [
    # keys
    "= 1", "a", "a =", "a = 1 b = 2", "a b = 1", "a = 1\na = 2", "a = 1\n'a' = 2", "a.b = 1\na.b = 2", "a = 1\na.b = 2",
    "a.b.c = 1\na.b = 2", "é = 1", "a. = 1", ".a = 1", "a..b = 1", "a# = 1", '"a\nb" = 1', '"""a""" = 1', "'a = 1", "a+b = 1",
    "[a]b = 1", "\x00 = 1",
    # strings
    'a = "', 'a = "x', "a = 'x", 'a = "\n"', "a = '\n'", r'a = "\q"', r'a = "\u12"', r'a = "\uD800"', r'a = "\U00110000"',
    r'a = "\x41"', 'a = "\x01"', "a = '\x01'", 'a = "\x7f"', 'a = """x', "a = '''x", 'a = """x\\q"""', 'a = """ """ """',
    "a = '''x''''''", 'a = "x" "y"', "a = x", 'a = "\\', "a = \"\"\"\x00\"\"\"",
    # integers
    "a = 01", "a = +01", "a = 1__0", "a = _1", "a = 1_", "a = 0x", "a = 0xg", "a = 0X1", "a = 0b2", "a = 0o8", "a = +0x1",
    "a = -0b1", "a = 0x_1", "a = 9223372036854775808", "a = -9223372036854775809", "a = 1 2", "a = --1", "a = 1a", "a = 0_0",
    # floats
    "a = 1.", "a = .1", "a = 1.e1", "a = 1e", "a = 1e+", "a = 1._0", "a = 1_.0", "a = 1.0_", "a = 03.14", "a = 1e1.5",
    "a = Inf", "a = NAN", "a = 1.0.0", "a = +.5", "a = 1e_2", "a = 0.e1",
    # booleans
    "a = True", "a = TRUE", "a = falsey", "a = tru",
    # dates and times
    "a = 1979-13-01", "a = 1979-00-01", "a = 1979-02-30", "a = 2001-02-29", "a = 1979-5-27", "a = 1979-05-27T7:32:00",
    "a = 1979-05-27T24:00:00Z", "a = 1979-05-27T07:60:00Z", "a = 07:32", "a = 1979-05-27T", "a = 1979-05-27T07:32:00+25:00",
    "a = 1979-05-27T07:32Z",
    # arrays
    "a = [", "a = [1", "a = [1,", "a = [1 2]", "a = [,1]", "a = [1,,2]", "a = ]", "a = [1}", "a = [1]]", "a = [a = 1]",
    # tables
    "a = {", "a = { b = 1", "a = { b = 1, }", "a = { b = 1\n}", "a = { b = 1 c = 2 }", "a = { b }", "a = { b = 1, b = 2 }",
    "a = { b = 1, b.c = 2 }", "a = {}\na.b = 1", "a = { x = 1 }\n[modules.cli_fixture.config.a]\nb = 1", "a = {,}",
    "[modules.cli_fixture.config]", "[", "[]", "[a", "[a]]", "[[a]", "[[]]", "[a.]", "[a..b]", "[.a]", "[a] b", "[ [a] ]",
    "[modules.cli_fixture.config.t]\n[modules.cli_fixture.config.t]", "t = 1\n[modules.cli_fixture.config.t]",
    "[modules.cli_fixture.config.t]\n[[modules.cli_fixture.config.t]]",
    "[[modules.cli_fixture.config.t]]\n[modules.cli_fixture.config.t]", "t = []\n[[modules.cli_fixture.config.t]]",
    "a.b = 1\n[modules.cli_fixture.config.a]\nc = 1",
    # bytes
    b"a = '\xff'", b"a = '\xc3'", b"# \xff", b"a = '\xed\xa0\x80'", b"\xff\xfea", b"a\x0b= 1", b"a = 1\rb = 2", "# \x01",
]


def as_told(value):
    """Dates and times reach a module as text."""
    if isinstance(value, dict):
        return {key: as_told(value[key]) for key in sorted(value)}  # the reader sorts
    if isinstance(value, list):
        return [as_told(each) for each in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat().replace("+00:00", "Z")
    return value


class Toml(Case):
    def file(self, body):
        head = f"[modules.cli_fixture]\npath = '{FIXTURE}'\n[modules.cli_fixture.config]\n"
        data = head.encode() + (body if isinstance(body, bytes) else body.encode())
        with open(self.path("host.toml"), "wb") as file:
            file.write(data)
        return data

    def test_valid_toml_means_what_the_specification_says(self):
        for body in VALID:
            with self.subTest(body):
                data = self.file(body)
                out, _ = self.bp("run", "--config", "host.toml", "--print-config")
                expected = tomllib.loads(data.decode())["modules"]["cli_fixture"]["config"]
                found = tomllib.loads(out)["modules"]["cli_fixture"]["config"]
                self.assertEqual(repr(as_told(found)), repr(as_told(expected)))

    def test_invalid_toml_is_refused_with_its_place(self):
        for body in INVALID:
            with self.subTest(body):
                self.file(body)
                err = self.refused(2, "run", "--config", "host.toml", "--check-config")
                self.assertRegex(err, r"(?m)^backplane: host\.toml:\d+:\d+: ")

    def test_a_byte_order_mark_is_passed_over(self):
        with open(self.path("host.toml"), "wb") as file:
            file.write(b"\xef\xbb\xbflog_level = 'warn'\nmodule_dirs = []\n")
        self.assertIn('log_level = "warn"', self.bp("run", "--config", "host.toml", "--print-config")[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
