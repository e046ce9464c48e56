# SPDX-License-Identifier: Apache-2.0
"""Types and codecs of refs, as expressions of Python."""
from .layout import call, flat, index, literal, value

SCALARS = {"bool": "bool", "text": "str", "bytes": "bytes", "any": "Any", "null": "None", "raw": "bytes",
           "int": "int", "float": "float"}


def _alternatives(ref, names):
    """The types of a choice, without repetition; None last."""
    found = []
    for each in ref.of if ref.kind == "choice" else [ref.of]:
        if each.kind in ("choice", "nullable"):
            found += _alternatives(each, names)
        else:
            found.append(flat(annotation(each, names)))
        if each.kind == "nullable":
            found.append("None")
    if ref.kind == "nullable":
        found.append("None")
    unique = list(dict.fromkeys(found))
    if "None" in unique:
        unique = [each for each in unique if each != "None"] + ["None"]
    return ["Any"] if "Any" in unique else unique


def annotation(ref, names):
    """The type of a value. `names` gives the Python name of each type."""
    if ref is None:
        return "None"
    if ref.kind in SCALARS:
        return SCALARS[ref.kind]
    if ref.kind == "named":
        return names[ref.name]
    if ref.kind in ("nullable", "choice"):
        return " | ".join(_alternatives(ref, names))
    if ref.kind == "list":
        return index("list", annotation(ref.of, names))
    if ref.kind == "map":
        return index("dict", annotation(ref.key, names), annotation(ref.value, names))
    if ref.kind == "tuple":
        return index("tuple", *([annotation(each, names) for each in ref.items] or ["()"]))
    if isinstance(ref.value, (bool, int, str)):
        return index("Literal", value(ref.value))
    return {bytes: "bytes", float: "float", type(None): "None"}.get(type(ref.value), "Any")


def optional(ref, names):
    """The type of a value that may be None."""
    inside = flat(annotation(ref, names))
    if inside == "Any" or inside.endswith("None"):
        return annotation(ref, names) if inside == "Any" else inside
    return inside + " | None"


def codec(ref, names, declared):
    """The codec. `declared`: the types whose codecs stand above; others are looked up when they are needed."""
    if ref is None:
        return "_c.nothing"
    if ref.kind == "named":
        found = "_" + names[ref.name]
        return found if ref.name in declared else call("_c.later", f"lambda: {found}")
    if ref.kind == "bytes":
        return call("_c.binary", *([str(ref.size)] if ref.size is not None else []))
    if ref.kind == "int":
        return call("_c.integer", str(ref.bits), str(ref.signed))
    if ref.kind == "float":
        return call("_c.floating", str(ref.bits))
    if ref.kind == "nullable":
        return call("_c.nullable", codec(ref.of, names, declared))
    if ref.kind == "list":
        bounds = [str(ref.least), str(ref.most)] if ref.most is not None else [str(ref.least)] if ref.least else []
        return call("_c.sequence", codec(ref.of, names, declared), *bounds)
    if ref.kind == "map":
        return call("_c.mapping", codec(ref.key, names, declared), codec(ref.value, names, declared))
    if ref.kind in ("tuple", "choice"):
        inner = ref.items if ref.kind == "tuple" else ref.of
        return call("_c.fixed" if ref.kind == "tuple" else "_c.choice", *[codec(each, names, declared) for each in inner])
    if ref.kind == "literal":
        return call("_c.literal", value(ref.value))
    return {"bool": "_c.boolean", "text": "_c.text", "any": "_c.anything", "null": "_c.null", "raw": "_c.raw"}[ref.kind]


def default(module, member, names, values):
    """The default of a member as (expression, whether each object needs a new one). `values`: names of enum values."""
    found, ref = member.default, module.resolve(member.type)
    while ref.kind == "nullable" and found is not None:
        ref = module.resolve(ref.of)
    if found is None:
        return "None", False
    if ref.kind == "named" and module.by_name[ref.name].kind == "enum":
        return f"{names[ref.name]}.{values[ref.name][found]}", False
    if ref.kind in ("bool", "text", "int", "bytes"):
        return value(found), False
    if ref.kind == "float":
        return repr(float(found)), False
    if ref.kind in ("list", "map") and not found:
        return ("[]" if ref.kind == "list" else "{}"), True
    inside = codec(member.type, names, set(names))
    return call(f"{flat(inside)}.decode", value(found)), True


__all__ = ["annotation", "codec", "default", "literal", "optional"]
