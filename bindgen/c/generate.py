# SPDX-License-Identifier: Apache-2.0
"""C: a header and a source for each module, over backplane.h and clients/c.

The source has the descriptions of the types, which the codec of backplane/typed/ reads, and the functions. So a program
compiles them once, however often it includes the header, and the header is short enough to read.
"""
import clang_layout as layout
from c.functions import Functions
from c.keywords import HEADERS, KEYWORDS, LIBRARY, MACROS
from c.mapping import Types
from c.tables import Tables
from names import Scope, screaming, snake, tail
from templates import environment
from text import c_string, clean, stamp

_TEMPLATES = environment(__file__, block=layout.block)


def files(outline, options):
    """A header and a source for each module."""
    scope, made = Scope(HEADERS), {}
    for module in outline.modules:
        base = scope.take(module.name)
        made[f"{base}.h"], made[f"{base}.c"] = _Module(module, base, outline.generator).texts()
    return made


class _Names:
    """The names of a module: its tags, its functions, and its macros with the values of its enums."""

    def __init__(self, prefix):
        self._tags = Scope({f"{prefix}_client"})
        self._values = Scope()
        self.functions = Scope(LIBRARY | {f"{prefix}_open", f"{prefix}_interface_cddl"})
        self.macros = Scope({f"{prefix.upper()}_{name}" for name in ("H", "INTERFACE_HASH", "MODULE_VERSION")})

    def take(self, tag):
        return self._tags.take(tag)

    def enumerator(self, tag, value):
        return self.macros.take(f"{tag.upper()}_{screaming(value).lstrip('_')}")


class _Module:
    def __init__(self, module, base, generator):
        self.module, self.base, self.generator = module, base, generator
        self.prefix = snake(module.name)
        self.names = _Names(self.prefix)
        self.types = Types(module, self.prefix, self.names, lambda: Scope(KEYWORDS | MACROS | {"kind", "as"}))

    def texts(self):
        functions = Functions(self.module, self.types, self.prefix, self.names)
        made = functions.made()
        constants = self._constants()
        ordered = self.types.ordered()
        tables = Tables(self.types, self.names)
        shared = {
            "module": self.module, "stamp": stamp(self.generator, self.module), "prefix": self.prefix, "base": self.base,
            "guard": f"{screaming(self.base)}_BINDING_H", "upper": self.prefix.upper(), "functions": made,
            "frees": functions.of_types(ordered), "c_string": c_string}
        header = _TEMPLATES.get_template("module.h.j2").render(
            types=[text for text in map(tables.declaration, ordered) if text], constants=constants,
            summary=clean(self.module.summary), **shared)
        source = _TEMPLATES.get_template("module.c.j2").render(
            forward=tables.forward(ordered), tables=tables.texts(ordered), methods=functions.methods,
            cddl=[c_string(line) for line in self.module.cddl.splitlines(keepends=True)] or ['""'], **shared)
        return header, source

    def _constants(self):
        made = []
        for constant in self.module.constants:
            value = constant.value
            if isinstance(value, bool):
                text = "true" if value else "false"
            elif isinstance(value, int):
                text = f"UINT64_C({value})" if value > 2**63 - 1 else "INT64_MIN" if value == -2**63 else (
                    f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))")
            elif isinstance(value, float) and value == value and abs(value) != float("inf"):
                text = repr(value) if value >= 0 else f"({value!r})"
            elif isinstance(value, str):
                text = c_string(value)
            else:
                continue  # C has no constants of the other values
            name = self.names.macros.take(f"{self.prefix}_{tail(constant.name)}".upper())
            made.append((constant.doc, f"#define {name} {text}"))
        return made
