# SPDX-License-Identifier: Apache-2.0
"""Names: words, cases, and what happens to keywords and clashes. docs/bindings.md has the rule for users."""
import re

# "JobScheduled", "job_scheduled", "HTTPServer2", "int32List"
_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")


def words(name):
    """The words of a wire name, member or type name, in lower case: `timer.echo_fast` and `TimerEchoFast` give three.

    A name without any ASCII letter or digit has the one word `name`.
    """
    return [word.lower() for word in _WORD.findall(name)] or ["name"]


def snake(name):
    return _identifier("_".join(words(name)))


def tail(name):
    """As snake(), to stand behind a prefix: it may begin with a digit."""
    return "_".join(words(name))


def screaming(name):
    return _identifier("_".join(words(name)).upper())


def camel(name):
    first, *rest = words(name)
    return _identifier(first + "".join(_capital(word) for word in rest))


def pascal(name):
    """A name that is in this case already keeps its form: `HTTPServer`, `Int32List`."""
    if re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        return name
    return _identifier("".join(_capital(word) for word in words(name)))


def wire_member(name):
    """A member as an identifier that is as close to the wire as can be: only what no language takes becomes `_`."""
    return _identifier(re.sub(r"[^A-Za-z0-9_]", "_", name) or "name")


def local(wire_name):
    """A wire name without its first part: `echo_fast` of `timer.echo_fast`, `a.b` of `timer.a.b`."""
    return wire_name.partition(".")[2] or wire_name


def _capital(word):
    return word[:1].upper() + word[1:]


def _identifier(name):
    return "_" + name if name[:1].isdigit() else name


class Scope:
    """The names of one scope of generated code: a namespace, the members of a struct, the methods of a client.

    `reserved`: the language's keywords and the names that the generated code needs itself. Such a name gets `_` at its
    end. Of two equal names the later one gets `_2`, the next one `_3`.
    """

    def __init__(self, reserved=()):
        self._reserved = frozenset(reserved)
        self._taken = set()

    def take(self, name):
        """Returns the name to use for `name`, which is in the language's case already."""
        base = name + "_" if name in self._reserved else name
        free, number = base, 2
        while free in self._taken or free in self._reserved:
            free = f"{base.rstrip('_')}_{number}"
            number += 1
        self._taken.add(free)
        return free
