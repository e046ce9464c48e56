# SPDX-License-Identifier: Apache-2.0
"""Python: one module for each Backplane module, over the package `backplane`."""
import keyword

from names import Scope, local, pascal, screaming, snake, wire_member
from templates import environment
from text import stamp

from .expressions import annotation, codec, default, optional
from .layout import WIDTH, Group, cddl, docstring, flat, hint, literal, render, value
from .layout import call as call_to

# Names of the module that the generated code uses itself, and built-in names that annotations use.
_MODULE = {*keyword.kwlist, "annotations", "backplane", "dataclass", "field", "KW_ONLY", "Any", "AsyncIterable",
           "AsyncEvents", "AsyncStream", "Awaitable", "Callable", "ClassVar", "Enum", "Final", "Iterable", "Literal",
           "TypeAlias", "AbstractEventLoop", "bool", "bytes", "dict", "float", "int", "list", "str", "tuple", "object",
           "property", "classmethod", "MODULE", "MODULE_VERSION", "INTERFACE_HASH", "INTERFACE_CDDL", "configuration"}
_MEMBERS = {*keyword.kwlist, "_", "bool", "bytes", "dict", "field", "float", "int", "list", "str", "tuple", "lambda"}
_METHODS = {*keyword.kwlist, "open_async", "list", "dict", "tuple", "bytes", "float", "int", "str", "bool", "object"}
_VALUES = {*keyword.kwlist, "mro", "name", "value"}
# Classes of the runtime whose names are not those of their statuses.
_STATUSES = {"error": "HandlerError", "exception": "HandlerExceptionError", "overflow": "OverflowedError",
             "timeout": "TimedOutError", "io": "IoError"}


def _member_name(name):
    made = wire_member(name)
    # Python changes names that begin with two underscores inside of a class.
    return made.lstrip("_") or "name" if made.startswith("__") else made


def _returns(annotation):
    """The end of a `def`; quoted if it does not fit, as by hint()."""
    fits = len(f"    ) -> {annotation}:") <= WIDTH
    return f" -> {annotation if fits else literal(annotation)}:"


class _View:
    """What the template needs to know of a module."""

    def __init__(self, outline, module):
        self.module = module
        self.stamp = stamp(outline.generator, module)
        scope = Scope(_MODULE)
        self.names = {type_.name: scope.take(pascal(type_.name)) for type_ in module.types}
        self.client = scope.take(pascal(module.name))
        self.values = {type_.name: self._values(type_) for type_ in module.types if type_.kind == "enum"}
        self.cases = {type_.name: [scope.take(self.names[type_.name] + pascal(case.name)) for case in type_.cases]
                      for type_ in module.types if type_.kind == "tagged"}
        self.members = {type_.name: self._members(type_) for type_ in module.types if type_.kind == "struct"}
        self.constants = [(scope.take(screaming(each.name)), each) for each in module.constants]
        self.errors = self._errors(scope)
        self.enums = [type_ for type_ in module.types if type_.kind == "enum"]
        self.others = [type_ for type_ in module.types if type_.kind != "enum"]
        methods = Scope(_METHODS)
        self.calls = [self._call(methods, call, snake(local(call.name))) for call in module.calls]
        self.events = []
        for event in module.events:
            base = snake(local(event.name))
            self.events.append((event, methods.take(f"on_{base}"), methods.take(f"{base}_events"),
                                methods.take(f"{base}_events_async")))
        self.functions = []
        for call in module.functions:
            name = methods.take("provide_" + snake(call.name))
            self.functions.append((call, name, f"_{name}_call"))

    @staticmethod
    def _values(type_):
        scope = Scope(_VALUES)
        return {each.value: scope.take(screaming(each.value)) for each in type_.values}

    @staticmethod
    def _members(type_):
        scope = Scope(_MEMBERS)
        return [(scope.take(_member_name(member.name)), member) for member in type_.members]

    @staticmethod
    def _call(methods, call, base):
        name = methods.take(base)
        return call, name, methods.take(base + "_async"), f"_{name}_call"

    def _errors(self, scope):
        """status -> (class, base class, failures), for all statuses that calls and functions declare."""
        found = {}
        for call in self.module.calls + self.module.functions:
            for failure in call.errors:
                found.setdefault(failure.status, []).append(failure)
        made = {}
        for status, failures in found.items():
            if failures[0].builtin:
                base = _STATUSES.get(failures[0].builtin, pascal(failures[0].builtin) + "Error")
                made[status] = (scope.take(base), f"backplane.{base}", failures)
            else:
                made[status] = (scope.take(f"Error{status}"), "backplane.ModuleError", failures)
        return made

    @staticmethod
    def made(head, *items):
        return call_to(head, *items)

    def codec_of(self, ref):
        return codec(ref, self.names, set(self.names))

    def tagged(self, type_):
        return list(zip(self.cases[type_.name], type_.cases))

    @staticmethod
    def error_doc(status, failures):
        docs = list(dict.fromkeys(each.doc for each in failures if each.doc))
        return "; ".join([f"{failures[0].builtin or 'status'} ({status})", *docs])

    # ---- Types ----

    def is_recursive(self, type_):
        return self.module.is_recursive(type_.name)

    def annotation(self, ref):
        return annotation(ref, self.names)

    def field(self, name, member):
        """The lines of a member of a dataclass."""
        if not member.optional:
            return hint(name, self.annotation(member.type), 4)
        if not member.has_default:
            return hint(name, optional(member.type, self.names), 4, " = None")
        found, is_new = default(self.module, member, self.names, self.values)
        if is_new:
            made = {"[]": "list", "{}": "dict"}.get(flat(found), f"lambda: {flat(found)}")
            found = f"field(default_factory={made})"
        return render(found, 4, hint(name, self.annotation(member.type), 4)[4:] + " = ")

    @staticmethod
    def doc_of(member):
        unit = getattr(member.type, "unit", None)
        return "; ".join(each for each in (member.doc, f"in {unit}" if unit else "") if each)

    def codecs(self):
        """The statements that make the codecs of all types: each after those that it needs, as far as that can be."""
        declared, lines = set(), []
        order = self.module.ordered(lambda t: [ref.name for ref in t.refs() if ref.kind == "named"])
        for type_ in order:
            name, made = self.names[type_.name], self._codec(type_, declared)
            before = f"_{name}: _c.Codec[{name}] = "
            if len(before + getattr(made, "head", flat(made))) >= WIDTH:
                before = f"_{name}: _c.Codec[\n    {name}\n] = "
            lines.append(render(made, 0, before))
            declared.add(type_.name)
        return lines

    def _codec(self, type_, declared):
        name = self.names[type_.name]
        if type_.kind == "enum":
            return call_to("_c.enumeration", name)
        if type_.kind == "alias":
            return codec(type_.type, self.names, declared)
        if type_.kind == "tagged":
            cases = zip(self.cases[type_.name], type_.cases)
            return call_to("_c.tagged", *[call_to("_c.Case", literal(case.name), cls, codec(case.type, self.names, declared))
                                       for cls, case in cases])
        members = []
        for attribute, member in self.members[type_.name]:
            items = [literal(member.name), literal(attribute), codec(member.type, self.names, declared)]
            if member.optional:
                items.append("optional=True")
            if member.has_default:
                found, _ = default(self.module, member, self.names, self.values)
                items.append(f"default=lambda: {flat(found)}")
            members.append(call_to("_c.Member", *items))
        return call_to("_c.struct", name, *members)

    # ---- Errors ----

    def detail(self, failures):
        """(type, codec) of the details of a status, or None if it has none."""
        refs = list(dict.fromkeys(each.detail for each in failures if each.detail is not None))
        if not refs:
            return None
        types = list(dict.fromkeys(flat(self.annotation(ref)) for ref in refs))
        if any(each.detail is None for each in failures):
            types.append("None")
        made = [codec(ref, self.names, set(self.names)) for ref in refs]
        return " | ".join(dict.fromkeys(types)), made[0] if len(made) == 1 else call_to("_c.choice", *made)

    # ---- Calls ----

    def call_object(self, call, name):
        request = self.annotation(call.request) if call.request else "None"
        items = [literal(call.name), codec(call.request, self.names, set(self.names)) if call.request else "None",
                 codec(call.reply, self.names, set(self.names)) if call.reply else "None"]
        if call.request_part:
            items.append(("part=", codec(call.request_part, self.names, set(self.names))))
        if call.partial:
            items.append(("partial=", codec(call.partial, self.names, set(self.names))))
        if call.errors:
            classes = [f"{each.status}: {self.errors[each.status][0]}" for each in call.errors]
            items.append(("errors=", Group("", classes, "{}")))
        # The annotation is not evaluated, as an expression would be: aliases are texts at run time.
        before = hint(name, f"_Call[{flat(request)}, {flat(self.annotation(call.reply))}]", 0, " = _Call(")
        return render(call_to("_Call", *items), 0, before.removesuffix("_Call("))

    def signature(self, call, name, is_async):
        """The line of `def`."""
        parts = []
        items = ["self"]
        if call.request:
            items.append(hint("request", self.annotation(call.request), 8, ",")[8:-1])
        if call.request_part:
            part = flat(self.annotation(call.request_part))
            both = is_async
            kind = f"Iterable[{part}]" + (f" | AsyncIterable[{part}]" if both else "")
            parts = [hint("parts", kind, 8, ",")[8:-1]]
        items += parts + ["*", "timeout: float | None = None"]
        reply = flat(self.annotation(call.reply))
        if call.partial:
            kind = "backplane.AsyncStream" if is_async else "backplane.Stream"
            reply = f"{kind}[{flat(self.annotation(call.partial))}, {reply}]"
        word = "async def" if is_async and not call.partial else "def"
        return render(call_to(name, *items), 4, f"{word} ", _returns(reply))

    def body(self, call, object_name, is_async):
        request = "request" if call.request else "None"
        if not call.partial and not call.request_part:
            method = "await self._call_async" if is_async else "self._call"
            return render(call_to(method, object_name, request, "timeout"), 8, "return ")
        method = "self._stream_async" if is_async else "self._stream"
        items = [object_name, request, "timeout"] + (["parts"] if call.request_part else [])
        line = render(call_to(method, *items), 8, "return " if call.partial else "stream = ")
        if call.partial:
            return line
        return line + ("\n        return await stream.reply()" if is_async else "\n        return stream.reply()")

    def method_doc(self, call, is_async):
        raises = [f"    {self.errors[each.status][0]}: {each.doc}".rstrip(": ") for each in call.errors]
        doc = call.doc or f"Calls {call.name}."
        return docstring(doc, 8, ["Raises:"] + raises if raises else ())

    def provide_signature(self, call, name):
        request = [flat(self.annotation(call.request))] if call.request else []
        reply = flat(self.annotation(call.reply))
        function = f"Callable[[{', '.join(request)}], {reply} | Awaitable[{reply}]]"
        if reply == "Any":
            function = f"Callable[[{', '.join(request)}], Any]"
        items = ["self", hint("function", function, 8, ",")[8:-1], "*", "loop: AbstractEventLoop | None = None"]
        return render(call_to(name, *items), 4, "def ", " -> backplane.Provided:")

    def event_signatures(self, event, names):
        payload = flat(self.annotation(event.payload))
        gap = "on_gap: backplane.OnGap | None = None"
        listen = call_to(names[0], "self", hint("callback", f"Callable[[{payload}], object]", 8, ",")[8:-1], gap, "*", "own_thread: bool = False",
                       "lossless: bool = False")
        read = [call_to(name, "self", gap, "*", "lossless: bool = False") for name in names[1:]]
        return (render(listen, 4, "def ", _returns(f"backplane.Listener[{payload}]")),
                render(read[0], 4, "def ", _returns(f"backplane.Events[{payload}]")),
                render(read[1], 4, "def ", _returns(f"backplane.AsyncEvents[{payload}]")))

    def event_bodies(self, event):
        made = codec(event.payload, self.names, set(self.names))
        name = literal(event.name)
        return (render(call_to("self._on", name, made, "callback", "on_gap", "own_thread", "lossless"), 8, "return "),
                render(call_to("self._events", name, made, "on_gap", "lossless"), 8, "return "),
                render(call_to("self._events_async", name, made, "on_gap", "lossless"), 8, "return "))

    # ---- What is imported ----

    def imports(self):
        module, lines = self.module, []
        if module.functions:
            lines.append("from asyncio import AbstractEventLoop")
        from_abc = []
        uploads = any(call.request_part for call in module.calls)
        if uploads:
            from_abc.append("AsyncIterable")
        if any(flat(self.annotation(call.reply)) != "Any" for call in module.functions):
            from_abc.append("Awaitable")
        if module.events or module.functions:
            from_abc.append("Callable")
        if uploads:
            from_abc.append("Iterable")
        if from_abc:
            lines.append("from collections.abc import " + ", ".join(from_abc))
        structs = [type_ for type_ in module.types if type_.kind in ("struct", "tagged")]
        if structs:
            found = []
            if any(member.optional for type_ in structs for member in type_.members):
                found.append("KW_ONLY")
            found.append("dataclass")
            if any("default_factory" in self.field(name, member) for type_ in structs if type_.kind == "struct"
                   for name, member in self.members[type_.name]):
                found.append("field")
            lines.append("from dataclasses import " + ", ".join(found))
        if self.enums:
            lines.append("from enum import Enum")
        typing = [name for name, wanted in (
            ("Any", module.uses("any") or module.config is not None or self._has_any_literal()),
            ("ClassVar", bool(self._details())),
            ("Final", True),
            ("Literal", any(ref.kind == "literal" and isinstance(ref.value, (bool, int, str)) for ref in module.refs())),
            ("TypeAlias", any(type_.kind in ("alias", "tagged") for type_ in module.types))) if wanted]
        lines.append("from typing import " + ", ".join(typing))
        return lines

    def _has_any_literal(self):
        return any(ref.kind == "literal" and "Any" in flat(self.annotation(ref)) for ref in self.module.refs())

    def _details(self):
        return [status for status, (_, _, failures) in self.errors.items() if self.detail(failures)]


def call_to(head, *items):
    from .layout import call
    return call(head, *items)


_TEMPLATE = environment(__file__, docstring=docstring, literal=literal, value=value, render=render, cddl=cddl,
                        flat=flat, hint=hint).get_template("module.j2")


def files(outline, options):
    scope = Scope(keyword.kwlist)
    return {f"{scope.take(module.name)}.py": _TEMPLATE.render(v=_View(outline, module), m=module)
            for module in outline.modules}
