# SPDX-License-Identifier: Apache-2.0
"""An outline that a generator may stumble over: keywords, clashes, comment ends, odd names, recursion, all kinds of refs."""

DOC = "ends */ here /* and // there \\\nnext line \u202e ??/"
WORDS = ("class", "int", "new", "delete", "union", "errno", "NULL", "unix", "default", "operator", "self", "None", "fn", "type",
         "async", "match", "as", "kind", "has_a", "items", "count", "value", "client", "context", "request", "reply", "error")


def ref(kind, **more):
    return {"kind": kind, **more}


TEXT, INT, ANY, BOOL, NULL = ref("text"), ref("int", bits=64, signed=True), ref("any"), ref("bool"), ref("null")
U8, F32 = ref("int", bits=8, signed=False), ref("float", bits=32)


def named(name):
    return ref("named", name=name)


def nullable(of):
    return ref("nullable", of=of)


def many(of, least=0, most=None):
    return ref("list", of=of, least=least, most=most)


def mapped(value, key=TEXT):
    return ref("map", key=key, value=value)


def member(name, type_, **more):
    return {"name": name, "doc": DOC, "type": type_, "optional": False, **more}


def type_of(name, kind, **more):
    return {"name": name, "doc": DOC, "kind": kind, "sent": True, "received": True, **more}


def struct(name, *members):
    return type_of(name, "struct", members=list(members))


def call(name, **more):
    return {"name": name, "doc": DOC, "request": None, "request_part": None, "reply": None, "partial": None, "errors": [],
            **more}


def module(name, types, calls, **more):
    return {"name": name, "version": "1.0.0-\"*/", "summary": DOC, "hash": "0123456789abcdef",
            "cddl": "; )cddl\" ??/ \\ */\n" + "x = int ; \"long\"\n" * 400, "types": types, "calls": calls, "functions": [],
            "events": [], "listens": [], "constants": [], "config": None, "config_doc": "", **more}


def types(name):
    client = name.capitalize()
    return [
        struct("Words", *[member(word, TEXT) for word in WORDS]),
        struct("Odd", member("two words", INT), member("two-words", INT), member("two_words", INT), member("1st", INT),
               member("", INT), member("trailing_", INT), member("größe", TEXT), member("has_maybe", BOOL),
               member("maybe", nullable(TEXT)), member("Odd", BOOL)),
        struct("Large", *[member(f"member_{i}", U8) for i in range(120)]),
        struct("Empty"),
        struct(client, member("a", INT)),
        type_of("Word", "enum", values=[{"value": value, "doc": DOC} for value in (
            "class", "two words", "two-words", "1st", "", "NULL", "trailing_", "größe")]),
        type_of("ManyWords", "enum", values=[{"value": f"value_{i}", "doc": ""} for i in range(80)]),
        struct("Node", member("left", nullable(named("Node")), optional=True), member("right", nullable(named("Node"))),
               member("all", many(named("Node"))), member("by_name", mapped(named("Node"))),
               member("either", ref("choice", of=[named("Node"), TEXT])), member("shape", named("Shape")),
               member("some", many(named("Node"), 1, 3))),
        type_of("Shape", "tagged", cases=[{"name": "node", "type": named("Node"), "doc": DOC},
                                          {"name": "class", "type": INT, "doc": ""},
                                          {"name": "pair", "type": ref("tuple", items=[named("Empty"), named("Word")]),
                                           "doc": ""}]),
        type_of("Expr", "tagged", cases=[{"name": "num", "type": INT, "doc": ""}, {"name": "add", "type": named("Pair"),
                                                                                 "doc": ""}]),
        type_of("Pair", "alias", type=ref("tuple", items=[named("Expr"), named("Expr")])),
        struct("First", member("second", many(named("Second"))), member("pair", named("Pair"))),
        struct("Second", member("first", named("First")), member("maybe", nullable(named("First")), optional=True)),
        type_of("Name", "alias", type=TEXT), type_of("Names", "alias", type=many(named("Name"))),
        type_of("Octets", "alias", type=many(U8)), type_of("Four", "alias", type=many(U8, 4, 4)),
        type_of("MaybeInt", "alias", type=nullable(INT)), type_of("Key", "alias", type=INT),
        struct("Kinds", member("literal", ref("literal", value="always \"this\"")),
               member("number", ref("literal", value={"int": "-7"})), member("yes", ref("literal", value=True)),
               member("nothing", NULL), member("octets", named("Octets")), member("four", named("Four")),
               member("fixed", ref("bytes", size=3)), member("by_key", mapped(many(nullable(F32)), named("Key"))),
               member("names", named("Names")), member("same", many(TEXT)), member("maybe", named("MaybeInt")),
               member("alike", ref("choice", of=[TEXT, named("Word"), named("Name")])),
               member("structs", ref("choice", of=[named("Empty"), named("Odd"), many(INT), named("Words")])),
               member("any_or", ref("choice", of=[INT, F32, ANY])), member("long", ref("int", bits=32, signed=True,
                                                                                     unit="hours")),
               member("soon", ref("int", bits=64, signed=True, unit="milliseconds")),
               member("days", ref("int", bits=64, signed=True, unit="days")), member("deep", many(many(many(ANY)))),
               member("three", many(named("Odd"), 3, 3)), member("bounded", many(INT, 2, 4)),
               member("nested", nullable(many(nullable(ref("choice", of=[INT, TEXT]))))),
               member("none", nullable(ANY)),
               member("long_name_" * 6, mapped(mapped(mapped(many(ref("tuple", items=[named("Kinds2"), TEXT, INT]))))))),
        struct("Kinds2", member("with_text", TEXT, optional=True, default="a \"b\" \\ ??/"),
               member("with_low", INT, optional=True, default={"int": str(-2**63)}),
               member("with_high", ref("int", bits=64, signed=False), optional=True, default={"int": str(2**64 - 1)}),
               member("with_float", ref("float", bits=64), optional=True, default=1e300),
               member("with_word", named("Word"), optional=True, default="two words"),
               member("with_list", many(INT), optional=True, default=[{"int": "1"}]),
               member("with_wait", ref("int", bits=64, signed=True, unit="seconds"), optional=True, default={"int": "5"}),
               member("with_null", nullable(INT), optional=True, default=None),
               member("with_maybe", nullable(INT), optional=True, default={"int": "3"}),
               member("plain", TEXT, optional=True)),
    ]


def outline():
    def calls(name):
        return [call(f"{name}.{word}") for word in ("class", "client", "open", "echo", "echo_start", "echo.start", "words",
                                                    "words_free", "create", "name", name, "template")] + [
            call(f"{name}.all", request=named("Kinds"), reply=named("Node"), errors=[
                {"status": 1001, "detail": named("Kinds"), "doc": DOC, "builtin": None},
                {"status": 1001, "detail": None, "doc": DOC, "builtin": None},
                {"status": 16, "detail": TEXT, "doc": "", "builtin": "invalid_argument"}]),
            call(f"{name}.parts", request=ANY, request_part=many(TEXT), partial=nullable(INT), reply=named("Shape")),
            call(f"{name}.upload", request_part=ref("raw"), reply=named("Name")),
            call(f"{name}.stream", request=ref("raw"), partial=named("Word"), reply=mapped(named("Odd"))),
            call(f"{name}.a_name_that_does_not_fit_on_one_line_with_all_of_its_types",
                 request=mapped(mapped(many(named("Kinds")))), partial=named("ManyWords"), reply=named("First")),
            call(f"{name}.expr", request=named("Expr"), reply=named("Pair")),
        ]
    constants = [{"name": name, "value": value, "doc": DOC} for name, value in (
        ("most", {"int": "5"}), ("high", {"int": str(2**64 - 1)}), ("low", {"int": str(-2**63)}), ("real", 1.5),
        ("text", "a \"b\" \\ ??/ \u00fc\x00z"), ("yes", True), ("bytes", {"bytes": "00ff"}), ("interface_hash", {"int": "1"}),
        ("class", {"int": "2"}), ("nothing", None), ("list", [{"int": "1"}]), ("map", {"map": [["a", {"int": "1"}]]}))]
    more = {
        "events": [{"name": "{}.echo", "doc": DOC, "payload": None}, {"name": "{}.changed", "doc": DOC, "payload": ANY}],
        "functions": [call("other.echo", request=named("Node"), reply=named("Kinds")), call("a.b.c", reply=TEXT),
                      call("class.new", request=ref("raw"), reply=ref("raw"))],
        "listens": [{"name": "other.event", "doc": DOC, "payload": named("Word")}], "constants": constants}
    made = []
    for name in ("timer", "time"):
        own = {**more, "events": [{**event, "name": event["name"].format(name)} for event in more["events"]]}
        made.append(module(name, types(name), calls(name), config=named("Kinds2"), **own))
    made.append(module("empty", [], []))
    made.append(module("signal", [struct("Word", member("a", INT))], [call("signal.send", request=named("Word"))]))
    return {"form": 1, "generator": "0.1.0", "modules": made}
