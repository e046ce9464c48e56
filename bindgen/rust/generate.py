# SPDX-License-Identifier: Apache-2.0
"""Rust: one file for each module, over the crate backplane, and a mod.rs that names them."""
from names import Scope, local, pascal, screaming, snake
from rust import layout
from rust.declarations import declare, unnamed
from rust.keywords import CLIENT, CONSTANTS, KEYWORDS, TYPES
from rust.mapping import Types
from templates import environment
from text import MARK, clean, stamp

LONGEST_NAME = 34
_TEMPLATE = environment(__file__).get_template("module.rs.j2")


def files(outline, options):
    """The files, by name."""
    scope = Scope(KEYWORDS | {"backplane", "std", "core", "mod_"})
    made = {}
    for module in outline.modules:
        made[scope.take(snake(module.name))] = _Module(module, outline.generator).text()
    head = f"// {MARK} {outline.generator}. Do not edit.\n\n"
    index = head + "".join(f"pub mod {name};\n" for name in sorted(made))
    return {"mod.rs": index, **{f"{name}.rs": text for name, text in made.items()}}


class _Module:
    def __init__(self, module, generator):
        self.module, self.generator = module, generator
        self.client = Scope(TYPES).take(pascal(module.name))
        self.types = Types(module, {self.client})
        self.failures = self._failures()
        scope = Scope({"error"})
        self.mappers = {call.name: scope.take("of_" + snake(local(call.name))) for call in module.calls if call.errors}

    def text(self):
        module = self.module
        types = [declare(self.types, type_) for type_ in module.types]
        types += [unnamed(self.types, name, ref) for name, ref in self.types.extra]
        uses = any("impl Encode for" in text for text in types)
        return _TEMPLATE.render(
            stamp=stamp(self.generator, module), module=module, skip=self._is_unusual(), client=self.client, types=types, uses=uses,
            summary=layout.doc(module.summary or f"The module {module.name}.", mark="//!"),
            constants=self._constants(), version=layout.string(module.version), name=layout.string(module.name),
            hash=layout.string(module.hash), cddl=layout.raw_string(module.cddl),
            variants=[(variant, layout.plain_doc(doc, 4), detail) for variant, doc, detail in self.failures.values()],
            mappers=self._mappers(), methods=self._methods())

    def _is_unusual(self):
        """Whether rustfmt would break lines in ways that layout.py does not know."""
        module = self.module
        names = [module.name] + [x.name for x in module.types + module.calls + module.functions + module.events]
        for type_ in module.types:
            names += [member.name for member in type_.members] + [case.name for case in type_.cases]
            names += [value.value for value in type_.values]
        odd = any(len({e.status for e in call.errors}) < len(call.errors) for call in module.calls)
        return odd or any(len(name) > LONGEST_NAME for name in names)

    # ---- Errors ----

    def _failures(self):
        """(status, detail) -> (variant, doc, type of the detail)."""
        scope, made = Scope(KEYWORDS | {"Other"}), {}
        for failure in self.module.statuses():
            variant = scope.take(pascal(failure.builtin) if failure.builtin else f"Error{failure.status}")
            doc = clean(failure.doc) or (failure.builtin or f"status {failure.status}").replace("_", " ")
            doc = layout.doc(doc).removeprefix("/// ").replace("\n/// ", " ").strip()
            detail = "()" if failure.detail is None else self.types.of(failure.detail)
            made[(failure.status, failure.detail)] = (variant, f"{doc} (status {failure.status})", detail)
        return made

    def _mapper(self, call):
        return f"Error::{self.mappers[call.name]}" if call.errors else "Error::Other"

    def _mappers(self):
        text = ""
        for call in self.module.calls:
            if not call.errors:
                continue
            head = layout.signature(f"fn {self.mappers[call.name]}", ["error: backplane::Error"], "Error", 4)
            text += f"\n{head}\n        match error.code() {{\n"
            by_status = {}
            for failure in call.errors:
                by_status.setdefault(failure.status, []).append(self.failures[(failure.status, failure.detail)][0])
            for status, variants in by_status.items():
                text += layout.arm(str(status), "error" + self._declared(variants), 12)
            text += "            _ => Error::Other(error),\n        }\n    }\n"
        return text

    def _declared(self, variants):
        """Tries the details that a status may have, in order."""
        first, *others = variants
        other = f"|error| error{self._declared(others)}" if others else "Error::Other"
        return f".declared(Error::{first}, {other})"

    # ---- The client ----

    def _payload(self, ref, none):
        return none if ref is None else self.types.of(ref)

    def _methods(self):
        scope, made = Scope(KEYWORDS | CLIENT), []
        for call in self.module.calls:
            made += self._call(call, scope)
        for event in self.module.events:
            made += self._event(event, scope)
        for function in self.module.functions:
            made += self._function(function, scope)
        return made

    def _call(self, call, scope):
        name, wire = scope.take(snake(local(call.name))), layout.string(call.name)
        later = scope.take(f"{name.rstrip('_')}_async")
        docs = layout.doc(call.doc, 4)
        for failure in call.errors:
            variant = self.failures[(failure.status, failure.detail)][0]
            docs += ("    ///\n" if docs and failure is call.errors[0] else "") + \
                layout.plain_doc(f"Fails with [`Error::{variant}`]" + (": " + _escaped(failure.doc) if failure.doc else "")
                                 + ".", 4)
        request = self._payload(call.request, None)
        argument = "first" if call.request_part is not None else "request"
        parameters = ["&self"] + ([f"{argument}: {_borrowed(request)}"] if request else [])
        passed = [wire, argument if request else "&backplane::Empty", self._mapper(call)]
        reply = self._payload(call.reply, "()")
        partial = self._payload(call.partial, "backplane::Raw")
        if call.request_part is not None:
            inside = f"<{self.types.of(call.request_part)}, {partial}, {reply}, Error>"
            results = (f"backplane::Upload{inside}", f"backplane::AsyncUpload{inside}")
            functions = ("upload", "upload_async")
        elif call.partial is not None:
            results = (f"backplane::Parts<{partial}, {reply}, Error>", f"backplane::AsyncParts<{partial}, {reply}, Error>")
            functions = ("parts", "parts_async")
        else:
            results = (f"Result<{reply}, Error>", f"backplane::Call<{reply}, Error>")
            functions = ("call", "call_async")
        made = []
        for method, result, function in zip((name, later), results, functions):
            head = layout.signature(f"pub fn {method}", parameters, result, 4)
            doc = docs if method == name else f"    /// As `{name}`, for code that must not wait.\n"
            made.append(f"{doc}{head}\n        {layout.chain('self.0', function, passed, 8)}\n    }}\n")
        return made

    def _event(self, event, scope):
        base, wire = snake(local(event.name)).rstrip("_"), layout.string(event.name)
        payload = self._payload(event.payload, "()")
        doc = layout.doc(event.doc, 4)
        on, each = scope.take(f"on_{base}"), scope.take(f"{base}_events")
        closure = f"heard: impl Fn({payload}) + Send + Sync + 'static"
        heads = (layout.signature(f"pub fn {on}", ["&self", closure], "Result<backplane::Listener, backplane::Error>", 4),
                 layout.signature(f"pub fn {each}", ["&self"], f"Result<backplane::Events<{payload}>, backplane::Error>", 4))
        return [f"{doc}{heads[0]}\n        {layout.chain('self.0', 'on', [wire, 'heard'], 8)}\n    }}\n",
                f"    /// As `{on}`, as an iterator and a stream.\n{heads[1]}\n"
                f"        {layout.chain('self.0', 'events', [wire], 8)}\n    }}\n"]

    def _function(self, function, scope):
        name, wire = scope.take("provide_" + snake(function.name)), layout.string(function.name)
        request = self._payload(function.request, "backplane::Empty")
        reply = self._payload(function.reply, "()")
        result = "Result<backplane::Provided, backplane::Error>"
        answer = f"Result<{reply}, backplane::Error>"
        docs = layout.doc(f"Answers {function.name}: {function.doc}" if function.doc else f"Answers {function.name}.", 4)
        now = [f"function: impl FnMut({request}) -> {answer} + Send + 'static"]
        later = [f"function: impl FnMut({request}, backplane::Completion<{reply}>) + Send + 'static"]
        future = [f"function: impl FnMut({request}) -> F + Send + 'static"]
        made = []
        for suffix, generics, parameters, method, doc in (
                ("", "", now, "provide", docs),
                ("_later", "", later, "provide_later", f"    /// As `{name}`, and any thread answers later.\n"),
                ("_async", "<F>", future, "provide_async", f"    /// As `{name}`, with a future.\n")):
            called = name if not suffix else scope.take(name.rstrip("_") + suffix)
            where = ""
            if generics:
                parts = [f"std::future::Future<Output = {answer}>", "Send", "'static"]
                where = "\n    where\n" + layout.bound("F", parts, 8) + "\n    {"
            if generics and len(f"    pub fn {called}{generics}(") > layout.WIDTH:
                generics = "<\n        F,\n    >"
            head = layout.signature(f"pub fn {called}{generics}", ["&self", *parameters], result, 4)
            if where:
                head = head[:-2] + where
            body = layout.chain("self.0.context()", method, [wire, "function"], 8)
            made.append(f"{doc}{head}\n        {body}\n    }}\n")
        return made

    # ---- The rest ----

    def _constants(self):
        scope, made = Scope(KEYWORDS | CONSTANTS), []
        for constant in self.module.constants:
            name, value = scope.take(screaming(constant.name)), constant.value
            if isinstance(value, bool):
                type_, text = "bool", "true" if value else "false"
            elif isinstance(value, int):
                type_ = "i64" if -(2**63) <= value < 2**63 else "u64" if 0 <= value < 2**64 else "i128"
                text = str(value)
            elif isinstance(value, float):
                type_, text = "f64", layout.real(value)
            elif isinstance(value, str):
                type_, text = "&str", layout.string(value)
            elif isinstance(value, bytes):
                type_, text = "&[u8]", "&[" + ", ".join(str(b) for b in value) + "]"
            else:
                continue
            made.append(layout.doc(constant.doc) + layout.constant(f"pub const {name}: {type_}", text))
        return made


def _borrowed(type_):
    return {"String": "&str"}.get(type_, f"&{type_}")


def _escaped(doc):
    return layout.doc(doc).removeprefix("/// ").replace("\n/// ", " ").strip()
