# SPDX-License-Identifier: Apache-2.0
"""C++: one header for each module, over backplane/client.hpp."""
import clang_layout as layout
from cpp.keywords import CLIENT, GLOBAL, HELPERS, KEYWORDS, MACROS
from cpp.structs import Declarations
from cpp.mapping import Types, integer, real
from names import Scope, local, pascal, snake
from templates import environment
from text import c_string, clean, stamp

_TEMPLATE = environment(__file__, comment=layout.comment).get_template("module.hpp.j2")


def files(outline, options):
    """The headers, by name."""
    taken = Scope()
    return {f"{taken.take(module.name)}.hpp": _Module(module, outline.generator).text() for module in outline.modules}


class _Module:
    def __init__(self, module, generator):
        self.module, self.generator = module, generator
        self.namespace = Scope(KEYWORDS | MACROS | GLOBAL).take(module.name)
        self.client = pascal(module.name)
        self.scope = Scope(KEYWORDS | MACROS | HELPERS | {self.client})
        names = {type_.name: self.scope.take(pascal(type_.name)) for type_ in module.types}
        self.types = Types(module, names)
        self.names = names

    def text(self):
        module = self.module
        declarations = Declarations(self.types, KEYWORDS | MACROS | set(self.names.values()) | {"client"})
        ordered, ahead = self.types.order()
        errors = self._errors()
        members = self._members()
        return _TEMPLATE.render(
            module=module, stamp=stamp(self.generator, module), namespace=self.namespace, client=self.client,
            ahead=[self.names[name] for name in ahead], types=[declarations.of(type_) for type_ in ordered],
            constants=self._constants(), errors=errors, members=members, summary=clean(module.summary),
            constructor=self._constructor([name for name, _ in members]), includes=self._includes(),
            cddl=_raw_string(module.cddl), c_string=c_string)

    def _includes(self):
        made = {self.types.of(ref) for ref in self.module.refs() if ref.kind != "named"}
        wanted = {"map": "std::map<", "deque": "std::deque<", "tuple": "std::tuple<", "variant": "std::variant<",
                  "chrono": "std::chrono::", "array": "std::array<", "optional": "std::optional<", "vector": "std::vector<",
                  "string": "std::string"}
        found = {name for name, text in wanted.items() if any(text in type_ for type_ in made)}
        if any(m.optional for t in self.module.types for m in t.members):
            found.add("optional")
        if any(c.value != c.value or c.value in (float("inf"), float("-inf"))
               for c in self.module.constants if isinstance(c.value, float)):
            found.add("limits")
        return sorted(found | {"cstdint", "string_view"})

    def _constants(self):
        made = []
        for constant in self.module.constants:
            name, value = self.scope.take(snake(constant.name)), constant.value
            text = {bool: lambda v: f"bool {{}} = {'true' if v else 'false'}", int: _integer_constant,
                    float: lambda v: f"double {{}} = {real(v)}", str: lambda v: f"std::string_view {{}} = {_view(v)}",
                    bytes: _bytes_constant}.get(type(value))
            if text is not None:  # no language has constants of the other values
                made.append((constant.doc, "inline constexpr " + text(value).replace("{}", name, 1) + ";"))
        return made

    def _errors(self):
        made = []
        for failure in self.module.statuses():
            code = f"BP_{failure.builtin.upper()}" if failure.builtin else str(failure.status)
            name = self.scope.take(f"{pascal(failure.builtin)}Error" if failure.builtin else f"Error{failure.status}")
            arguments = code if failure.detail is None else f"{code}, {self.types.of(failure.detail)}"
            doc = failure.doc or (f"{failure.builtin}" if failure.builtin else f"status {failure.status}")
            made.append((doc, f"using {name} = client::Declared<{arguments}>;"))
        return made

    def _members(self):
        """The members of the client: (name, text with docs)."""
        scope = Scope(KEYWORDS | MACROS | CLIENT | {self.client, "client"})
        made = []
        for call in self.module.calls:
            made.append((scope.take(snake(local(call.name))), call.doc, call.errors, self._call_type(call)))
        for event in self.module.events:
            payload = "void" if event.payload is None else self.types.of(event.payload)
            made.append((scope.take("on_" + snake(local(event.name))), event.doc, [],
                         f"client::TypedEvent<{c_string(event.name)}, {payload}>"))
        for function in self.module.functions:
            request, reply = self._request(function.request), self._reply(function.reply)
            made.append((scope.take("provide_" + snake(function.name)), function.doc, function.errors,
                         f"client::TypedHostFunction<{c_string(function.name)}, {request}, {reply}>"))
        return [(name, layout.comment(doc, 2) + _failures(errors) + layout.member(type_, name))
                for name, doc, errors, type_ in made]

    def _call_type(self, call):
        wire, request, reply = c_string(call.name), self._request(call.request), self._reply(call.reply)
        partial = "client::Raw" if call.partial is None else self.types.of(call.partial)
        if call.request_part is not None:
            return f"client::TypedUpload<{wire}, {request}, {self.types.of(call.request_part)}, {partial}, {reply}>"
        if call.partial is not None:
            return f"client::TypedStream<{wire}, {request}, {partial}, {reply}>"
        return f"client::TypedCall<{wire}, {request}, {reply}>"

    def _request(self, ref):
        return "client::Empty" if ref is None else self.types.of(ref)

    def _reply(self, ref):
        return "void" if ref is None else self.types.of(ref)

    def _constructor(self, members):
        head = f"  {self.client}(const client::Context& context, client::Unchecked)"
        if not members:
            return f"  {self.client}(const client::Context&, client::Unchecked) {{}}\n"
        parts = [f"{name}(context)" for name in members]
        for text in (f"{head} : {', '.join(parts)} {{}}", f"      : {', '.join(parts)} {{}}"):
            if len(text) <= layout.WIDTH:
                return text + "\n" if text.startswith(head) else f"{head}\n{text}\n"
        return head + "\n      : " + ",\n        ".join(parts) + " {}\n"


def _failures(errors):
    lines = ""
    for failure in errors:
        name = failure.builtin or f"status {failure.status}"
        lines += layout.comment(f"Fails with {name}" + (f": {failure.doc}" if failure.doc else ""), 2)
    return lines


def _integer_constant(value):
    return f"{'std::int64_t' if value < 2**63 else 'std::uint64_t'} {{}} = {integer(value)}"


def _bytes_constant(value):
    items = ", ".join(f"0x{byte:02x}" for byte in value)
    return f"std::array<std::uint8_t, {len(value)}> {{}} = {{{items}}}"


def _view(value):
    text = c_string(value)
    return f"{{{text}, {len(value.encode())}}}" if "\0" in value else text


def _raw_string(value):
    mark = "cddl"
    while f"){mark}\"" in value:
        mark += "_"
    if "\r" in value or "\0" in value:
        return c_string(value)
    return f'R"{mark}({value}){mark}"'
