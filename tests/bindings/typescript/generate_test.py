#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What bindgen makes of names, docs and types that are hard for TypeScript."""
import json
import os
import subprocess
import unittest

import prepare

INT = {"kind": "int", "bits": 32, "signed": True}
LONG = {"kind": "int", "bits": 64, "signed": False}
TEXT = {"kind": "text"}


def named(name):
    return {"kind": "named", "name": name}


def member(name, type_, **more):
    return {"name": name, "doc": "", "type": type_, "optional": False, **more}


def struct(name, *members, doc=""):
    return {"name": name, "doc": doc, "kind": "struct", "members": list(members), "sent": True, "received": True}


def call(name, doc="", request=None, reply=None, errors=(), **more):
    return {"name": name, "doc": doc, "request": request, "request_part": None, "reply": reply, "partial": None,
            "errors": list(errors), **more}


def failure(status, detail=None, builtin=None):
    return {"status": status, "detail": detail, "doc": "", "builtin": builtin}


LONG_NAME = "a_name_that_is_so_long_that_nothing_that_has_it_fits_on_a_line_of_text"
LONG_TYPE = "TypeWithANameThatIsSoLongThatHardlyAnythingFitsBesideItOnOneLine"
MODULE = {
    "name": "odd", "version": "", "summary": "ends a comment: */ and /* begins one; @see {@link X} `${x}`", "hash": "00ff",
    "cddl": "odd.x.request = tstr .regexp \"\\\\d`${x}\" ; */\n",
    "types": [
        struct("Map", member("class", TEXT), member("__proto__", INT), member("a-b", INT), member("", INT),
               member("constructor", INT), doc="a Map */"),
        struct("Promise", member("then", named("Map"))),
        struct("Odd", member("self", {"kind": "nullable", "of": named("Odd")}, optional=True)),
        struct("Empty"),
        struct(LONG_TYPE, member(LONG_NAME, {"kind": "choice", "of": [TEXT, LONG, named("Map"), named("Promise")]}),
               member("list", {"kind": "list", "of": {"kind": "choice", "of": [TEXT, INT]}, "least": 1, "most": 5}),
               member("u", LONG, optional=True, default={"int": "18446744073709551615"}),
               member("f", {"kind": "float", "bits": 64}, optional=True, default=2.0),
               member("t", TEXT, optional=True, default="\"'\\\u2028\n"),
               member("n", {"kind": "nullable", "of": INT}, optional=True, default=None),
               member("any", {"kind": "any"}, optional=True)),
        {"name": "Words", "doc": "", "kind": "enum", "sent": True, "received": True,
         "values": [{"value": text, "doc": "*/ no"} for text in ("it's", 'say "x"', "", "default", "\u00e9" * 20, "c" * 30)]},
        {"name": "Cases", "doc": "", "kind": "tagged", "sent": True, "received": True,
         "cases": [{"name": name, "type": named("Cases" if name == "again" else "Map"), "doc": ""} for name in ("again", "a b")]},
        {"name": "Literals", "doc": "", "kind": "alias", "sent": True, "received": True,
         "type": {"kind": "choice", "of": [{"kind": "literal", "value": value} for value in
                                           ("x", {"int": "-3"}, {"int": "9007199254740993"}, True, 1.5, {"bytes": "00ff"})]}},
        {"name": "Pairs", "doc": "", "kind": "alias", "sent": True, "received": True, "type": {"kind": "list", "least": 0, "most": None, "of":
         {"kind": "tuple", "items": [{"kind": "nullable", "of": LONG}, {"kind": "map", "key": LONG, "value": {"kind": "any"}}]}}},
    ],
    "calls": [
        call("odd.delete", request=named("Map"), reply=named("Promise"), errors=[failure(1001, named("Map")), failure(24)]),
        call("odd.constructor", reply=TEXT, errors=[failure(1001, TEXT), failure(16, builtin="invalid_argument")]),
        call("odd.context"), call("odd.checked"), call("odd.module"), call("odd.a.b", request=named("Words")), call("odd.a_b"),
        call("odd.stream", request={"kind": "nullable", "of": named("Cases")}, request_part=named("Pairs"), partial=named("Literals"),
             reply=named(LONG_TYPE)),
        call("odd." + LONG_NAME, request=named(LONG_TYPE), reply={"kind": "map", "key": TEXT, "value": named(LONG_TYPE)}),
        call("odd.raw", request={"kind": "raw"}, reply={"kind": "raw"}, errors=[failure(1001)]),
    ],
    "functions": [call("a.find", request=TEXT, reply=INT), call("b.find", reply=None)],
    "events": [{"name": "odd.gone", "doc": "*/", "payload": None}, {"name": "odd.a.b", "doc": "", "payload": named("Cases")}],
    "listens": [], "config": None, "config_doc": "",
    "constants": [{"name": "most", "value": {"int": "18446744073709551615"}, "doc": "*/"}, {"name": "rate", "value": 0.5, "doc": ""},
                  {"name": "odd", "value": "\"`\\", "doc": ""}, {"name": "none", "value": None, "doc": ""}],
}
USES = """
import { Cases, Error1001, ConstructorError1001, RawError1001, LongLives, Map_, MOST, Odd, Promise_, Words, type Pairs } from "./odd.js";
import type { Context } from "@backplane/client";
export async function uses(context: Context): Promise<string> {
  const odd = new Odd(context);
  const map: Map_ = { class: "", ["__proto__"]: 1, "a-b": 2, "": 3, constructor: 4 };
  const promise: Promise_ = await odd.delete(map);
  void promise.then.class;
  await odd.context_();
  await odd.checked_();
  await odd.module_();
  await odd.aB("it's");
  await odd.aB_2();
  const pairs: Pairs = [[null, new Map([[1n, "x"]])], [5n, new Map()]];
  for await (const literal of odd.stream({ kind: "again", value: { kind: "a b", value: map } }, [pairs])) {
    const one: "x" | -3 | 9007199254740993n | true | 1.5 | Uint8Array = literal;
    void one;
  }
  await odd.onGone(() => {});
  await odd.onAB((event: Cases) => event.kind);
  await odd.provideAFind((text: string) => text.length);
  await odd.provideBFind(async () => {});
  const words: Words = "default";
  const most: 18446744073709551615n = MOST;
  void [words, most];
  const thrown: unknown = null;
  if (thrown instanceof Error1001) return thrown.detail.class;
  if (thrown instanceof RawError1001) return String(thrown.detail);
  if (thrown instanceof ConstructorError1001) return thrown.detail;
  return await odd.constructor_();
}
""".replace("LongLives, ", "")


class Generate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        context = prepare.installed([])
        cls.folder = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        outline = {"form": 1, "generator": "0.1.0", "modules": [MODULE]}
        cls.outline = json.dumps(outline)

    def bindgen(self, *more):
        return subprocess.run([prepare.BUILD / "bin" / "backplane-bindgen", "typescript", "-o", self.folder, *more],
                              input=self.outline, capture_output=True, text=True, check=False)

    def test_everything_compiles_and_is_current(self):
        done = self.bindgen()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        (self.folder / "uses.ts").write_text(USES, encoding="utf-8")
        prepare.run(prepare.TSC, *prepare.STRICT, "uses.ts", cwd=self.folder)
        self.assertEqual(self.bindgen("--check").returncode, 0)
        made = (self.folder / "odd.ts").read_text(encoding="utf-8")
        self.assertNotIn("ends a comment: */", made)
        script = ('import { INTERFACE_CDDL, ODD, Map_, Words } from "./odd.js"; import assert from "node:assert";'
                  'assert.deepEqual(Words.decode(Words.encode("it\'s")), "it\'s");'
                  'const map = { class: "c", ["__proto__"]: 1, "a-b": 2, "": 3, constructor: 4 };'
                  'assert.deepEqual(Map_.decode(Map_.encode(map)), map);'
                  'console.log(JSON.stringify([INTERFACE_CDDL, ODD]))')
        (self.folder / "run.mjs").write_text(script, encoding="utf-8")
        self.assertEqual(json.loads(prepare.run("node", "run.mjs", cwd=self.folder)), [MODULE["cddl"], "\"`\\"])

    def test_the_declarations_of_the_package_suit_an_older_compiler(self):
        """Of Debian 12: 4.8. tsc 5.9 writes the type of what has none in the source as Uint8Array<ArrayBuffer>."""
        declarations = list((self.folder / "node_modules/@backplane/client/dist").rglob("*.d.ts"))
        self.assertGreater(len(declarations), 10)
        for each in declarations:
            self.assertNotRegex(each.read_text(encoding="utf-8"), r"Uint8Array<", each)

    def test_prettier_changes_nothing(self):
        """In the bindings of the bundled modules and of a module with every form."""
        folder = self.folder / "formatted"
        modules = [*sorted((prepare.BUILD / "plugins").glob("*.so")), os.environ["BACKPLANE_FORMS"]]
        prepare.run(prepare.BUILD / "bin" / "backplane", "bindgen", "typescript", *modules, "-o", folder)
        files = sorted(str(each) for each in folder.glob("*.ts"))
        self.assertGreater(len(files), 6)
        done = subprocess.run(["node", prepare.TSC.parents[1] / "prettier/bin/prettier.cjs", "--check", *files],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
