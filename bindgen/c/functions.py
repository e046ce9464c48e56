# SPDX-License-Identifier: Apache-2.0
"""The functions of a module: prototypes with docs, and bodies."""
from dataclasses import dataclass

import clang_layout as layout
from names import local, snake, tail
from text import c_string

_NONE = "NULL"


@dataclass
class Function:
    doc: str
    head: str           # "bp_status timer_echo"
    parameters: list
    body: str           # lines with two spaces
    before: str = ""    # a static function that it needs
    types: str = ""     # typedefs of its callbacks

    def prototype(self):
        return self.types + layout.block(self.doc) + layout.signature(self.head, self.parameters, ";") + "\n"

    def definition(self):
        return self.before + layout.function(self.head, self.parameters, self.body)


class Functions:
    def __init__(self, module, types, prefix, names):
        self.module, self.types, self.prefix, self.names = module, types, prefix, names
        self.methods = []
        self._client = f"const struct {prefix}_client* client"

    def made(self):
        out = []
        for call in self.module.calls:
            out += self._call(call)
        for event in self.module.events:
            out.append(self._event(event))
        for function in self.module.functions:
            out += self._provide(function)
        for failure in self.module.statuses():
            if failure.detail is not None:
                out.append(self._detail(failure))
        return out

    # ---- Calls ----

    def _method(self, base, wire, request=None, part=None, partial=None, reply=None):
        name = f"{base}_method"
        refs = [self._table(request), self._table(part), self._table(partial), self._table(reply)]
        self.methods.append(layout.initializer(
            f"static const bp_typed_method {name} =", [f"{{{c_string(wire)}, {len(wire)}}}"] + refs))
        return name

    def _table(self, ref):
        return _NONE if ref is None else f"&{self.types.of(ref).table}"

    def _in(self, ref, name):
        return [] if ref is None else [f"const {self.types.of(ref).decl}* {name}"]

    def _out(self, ref, name):
        return [] if ref is None else [f"{self.types.of(ref).decl}* {name}"]

    def _call(self, call):
        base = self.names.functions.take(f"{self.prefix}_{tail(local(call.name))}")
        method = self._method(base, call.name, call.request, call.request_part, call.partial, call.reply)
        request, reply = self._in(call.request, "request"), self._out(call.reply, "reply")
        sent, got = "request" if request else _NONE, "reply" if reply else _NONE
        options, error = "const bp_call_options* options", "bp_error* error"
        doc = _doc(call)
        made = []
        if call.request_part is None:
            made.append(Function(
                doc, f"bp_status {base}", [self._client] + request + [options] + reply + [error],
                _returns("bp_typed_call", f"client->context, &{method}, {sent}, options, {got}, error")))
            made.append(self._submit(call, base, method, request, sent))
        made.append(Function(
            "The same, and returns at once. Free the call with bp_call_free." if made else doc,
            f"bp_status {self.names.functions.take(base + '_start')}",
            [self._client] + request + [options, "bp_pending* call", error],
            _returns("bp_typed_start", f"client->context, &{method}, {sent}, options, call, error")))
        waits = ["bp_pending call", "uint64_t timeout_ms"]
        if call.partial is not None:
            made.append(Function(
                "Waits for the next part: BP_PARTIAL. BP_OK: `reply` is the answer, and no part follows. BP_STALE: nothing "
                "came in time.", f"bp_status {self.names.functions.take(base + '_next')}",
                waits + self._out(call.partial, "part") + reply + [error],
                _returns("bp_typed_next", f"call, &{method}, timeout_ms, part, {got}, error")))
        made.append(Function(
            "Waits for the answer, and drops parts. BP_STALE: it did not come in time.",
            f"bp_status {self.names.functions.take(base + '_wait')}", waits + reply + [error],
            _returns("bp_typed_next", f"call, &{method}, timeout_ms, NULL, {got}, error")))
        if call.request_part is not None:
            made.append(Function(
                "Sends a part of the request, and waits until there is room. NULL: no part follows.",
                f"bp_status {self.names.functions.take(base + '_part')}",
                ["bp_pending call"] + self._in(call.request_part, "part") + ["uint64_t timeout_ms", error],
                _returns("bp_typed_part", f"call, &{method}, part, timeout_ms, error")))
        return made

    def _submit(self, call, base, method, request, sent):
        reply = self._in(call.reply, "reply")
        name = self.names.functions.take(base + "_submit")
        values = ["user"] + (["value"] if reply else []) + ["error"]
        done, typedefs = self._typedef(base + "_done", ["void* user"] + reply + ["const bp_error* error"])
        before = _thunk(f"{name}_done", "const void* value, const bp_error* error", done, values, [] if reply else ["value"])
        parameters = [self._client] + request + ["const bp_call_options* options"]
        if call.partial is not None:
            part, text = self._typedef(base + "_on_part", ["void* user"] + self._in(call.partial, "part"))
            typedefs += text
            before += _thunk(f"{name}_part", "const void* value", part, ["user", "value"], [])
            parameters.append(f"{part}* on_part")
        parameters += [f"{done}* done", "void* user", "bp_request* id", "bp_error* error"]
        body = (f"  bp_typed_submitted call = {{0}};\n  call.method = &{method};\n  call.user = user;\n"
                f"  call.call = {name}_done;\n"
                "  call.done = (bp_typed_any_fn)done;\n")
        if call.partial is not None:
            body += f"  call.call_part = {name}_part;\n  call.on_part = (bp_typed_any_fn)on_part;\n"
        body += _returns("bp_typed_submit", f"client->context, call, {sent}, options, id, error")
        doc = ("The same with a callback, which gets the answer or an error, exactly once if this returns BP_OK. "
               "What it gets is freed when it returns. `id`, which may be NULL, is for bp_cancel.")
        return Function(doc, f"bp_status {name}", parameters, body, before, typedefs)

    def _typedef(self, name, parameters):
        """A name for the type of a callback."""
        name = self.names.functions.take(name)
        return name, layout.signature(f"typedef void {name}", parameters, ";") + "\n"

    # ---- Events, host functions, errors ----

    def _event(self, event):
        base = self.names.functions.take(f"{self.prefix}_on_{tail(local(event.name))}")
        method = self._method(base, event.name, reply=event.payload)
        payload = self._in(event.payload, "event")
        type_, typedef = self._typedef(base + "_event", ["void* user"] + payload)
        before = _thunk(f"{base}_call", "const void* value", type_, ["user"] + (["value"] if payload else []),
                        [] if payload else ["value"])
        return Function(
            _sentence(event.doc) + "Listens until bp_typed_end. `on_gap`, which may be NULL, gets how many events are lost.",
            f"bp_status {base}",
            [self._client, f"{type_}* on_event", "bp_gap_fn* on_gap", "void* user", "bp_typed_handle** listener",
             "bp_error* error"],
            _returns("bp_typed_listen", f"client->context, &{method}, {base}_call, (bp_typed_any_fn)on_event, on_gap, user, "
                     "listener, error"), before, typedef)

    def _provide(self, function):
        name = snake(function.name)
        base = self.names.functions.take(f"{self.prefix}_provide_{name}")
        method = self._method(base, function.name, function.request, reply=function.reply)
        request = self._in(function.request, "request")
        type_, typedef = self._typedef(base + "_function", ["void* user"] + request + ["bp_asked asked"])
        before = _thunk(f"{base}_call", "const void* value, bp_asked asked", type_,
                        ["user"] + (["value"] if request else []) + ["asked"], [] if request else ["value"])
        answer = self.names.functions.take(f"{self.prefix}_answer_{name}")
        reply = self._in(function.reply, "reply")
        return [
            Function(_sentence(function.doc) + "Answers this host function until bp_typed_end. `function` must return at "
                     "once; the answer may come later.", f"bp_status {base}",
                     [self._client, f"{type_}* function", "void* user", "bp_typed_handle** provided", "bp_error* error"],
                     _returns("bp_typed_provide", f"client->context, &{method}, {base}_call, (bp_typed_any_fn)function, "
                              "user, provided, error"), before, typedef),
            Function("Answers a call of it, from any thread. bp_asked_fail answers with an error. BP_STALE_TOKEN: nobody "
                     "waits any more.", f"bp_status {answer}", ["bp_asked asked"] + reply,
                     _returns("bp_typed_answer", f"asked, &{method}, {'reply' if reply else _NONE}"))]

    def _detail(self, failure):
        what = failure.builtin or str(failure.status)
        name = self.names.functions.take(f"{self.prefix}_error_{tail(what)}")
        status = f"BP_{failure.builtin.upper()}" if failure.builtin else str(failure.status)
        type_ = self.types.of(failure.detail)
        return Function(
            _sentence(failure.doc) + f"Returns whether `error` has the status {what}, and its detail, which must be freed.",
            f"bool {name}", ["const bp_error* error", f"{type_.decl}* detail"],
            _returns("bp_typed_detail", f"error, {status}, &{type_.table}, detail"))

    # ---- Types ----

    def of_types(self, ordered):
        """Functions that free, read and write each type that is not for inside only."""
        made = []
        for type_ in ordered:
            if type_.kind in ("enum", "literal", "entry"):
                continue
            take = self.names.functions.take
            made.append(Function("", f"void {take(type_.tag + '_free')}", [f"{type_.decl}* value"],
                                 f"  bp_typed_free(&{type_.table}, value);\n"))
            if type_.wire_name in self.module.by_name:
                made.append(Function(
                    "", f"bp_status {take(type_.tag + '_read')}", ["bp_bytes item", f"{type_.decl}* value", "bp_error* error"],
                    _returns("bp_typed_read", f"item, &{type_.table}, false, value, \"the item has another form\", error")))
                made.append(Function(
                    "", f"bp_status {take(type_.tag + '_write')}",
                    [f"const {type_.decl}* value", "bp_buffer** item", "bp_error* error"],
                    _returns("bp_typed_item", f"&{type_.table}, value, item, error")))
        return made


def _thunk(name, value, type_, values, unused):
    """A static function that calls one of the application with its own type."""
    ignored = "".join(f"  (void){each};\n" for each in unused)
    call = f"  (({type_}*)function)({', '.join(values)});\n"
    return layout.function(f"static void {name}", ["bp_typed_any_fn function", "void* user"] + value.split(", "),
                           ignored + call) + "\n"


def _returns(function, arguments):
    """The statement that returns what a function does."""
    return layout.signature(f"  return {function}", arguments.split(", "), ";") + "\n"


def _sentence(doc):
    doc = doc.strip()
    return doc + ("" if not doc else " " if doc.endswith(".") else ". ")


def _doc(call):
    doc = _sentence(call.doc)
    for failure in call.errors:
        name = f"BP_{failure.builtin.upper()}" if failure.builtin else f"status {failure.status}"
        doc += f"Fails with {name}" + (f": {failure.doc}" if failure.doc else "") + ". "
    return doc.strip()
