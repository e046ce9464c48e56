# SPDX-License-Identifier: Apache-2.0
"""TypeScript: one file for each module, over the package @backplane/client. The layout is that of Prettier's defaults."""
import types

from typescript.layout import arrow, call, comment, key, literal, string, template_text, typed, union
from names import Scope, camel, local, pascal, screaming
from typescript.refs import Refs
from templates import environment
from text import stamp

# What generated code uses itself, beside words that no declaration may have as its name.
RESERVED = {
    "bp", "Map", "Promise", "Record", "Uint8Array", "MODULE_VERSION", "INTERFACE_HASH", "INTERFACE_CDDL", "any",
    "bigint", "boolean", "never", "null", "number", "object", "string", "symbol", "undefined", "unknown", "void",
}
METHODS = {"constructor", "context", "module", "checked"}
# Statuses that have a class in the package already.
CLASSES = {24: "DeadlineError", 25: "CanceledError", 41: "UnreachableError", 47: "InterfaceChangedError"}

_TEMPLATE = environment(__file__, arrow=arrow, call=call, comment=comment, key=key, literal=literal, string=string,
                        union=union).get_template("module.ts.j2")


def files(outline, options):
    del options
    return {f"{module.name}.ts": _module(outline, module) for module in outline.modules}


def _module(outline, module):
    scope = Scope(RESERVED)
    client = scope.take(pascal(module.name))
    refs = Refs(module, {type_.name: scope.take(type_.name) for type_ in module.types})
    failures = _failures(module, scope)
    methods = Scope(METHODS)
    calls = [_call(each, methods.take(camel(local(each.name))), refs, failures) for each in module.calls]
    events = [_event(each, methods) for each in module.events]
    functions = [_function(each, methods, refs) for each in module.functions]
    constants = [(scope.take(screaming(each.name)), each) for each in module.constants]
    return _TEMPLATE.render(
        module=module, stamp=stamp(outline.generator, module), client=client, refs=refs, failures=failures, calls=calls,
        events=events, functions=functions, constants=constants, cddl=template_text(module.cddl))


def _failures(module, scope):
    """The error classes: one for each status, and further ones where the details of calls differ."""
    made = {}
    for call_ in module.calls + module.functions:
        for failure in call_.errors:
            failure_key = (failure.status, failure.detail)
            if failure_key in made or (failure.status in CLASSES and failure.detail is None):
                continue
            name = pascal(failure.builtin) + "Error" if failure.builtin else f"Error{failure.status}"
            if any(status == failure.status for status, _ in made):
                name = pascal(local(call_.name)) + name
            name = scope.take(name)
            made[failure_key] = types.SimpleNamespace(
                name=name, constant=name[0].lower() + name[1:], status=failure.status, detail=failure.detail,
                doc=failure.doc, builtin=failure.builtin, used=False)
            made[failure_key].used = call_ in module.calls
    return made


def _call(made, method, refs, failures):
    errors = [failures[(each.status, each.detail)] for each in made.errors if (each.status, each.detail) in failures]
    shape = [("name", string(made.name)), ("request", refs.codec(made.request)), ("reply", refs.codec(made.reply))]
    if made.request_part:
        shape.append(("part", refs.codec(made.request_part)))
    if made.partial:
        shape.append(("partial", refs.codec(made.partial)))
    if errors:
        shape.append(("errors", "[" + ", ".join(each.constant for each in errors) + "]"))
    parameters = [f"request: {refs.type(made.request)}"] if made.request else []
    if made.request_part:
        parameters.append(f"parts: bp.Parts<{refs.type(made.request_part)}>")
    kinds = [refs.type(made.request, "void"), refs.type(made.reply, "void")]
    if made.partial or made.request_part:
        kinds.append(refs.type(made.partial, "never"))
    if made.request_part:
        kinds.append(refs.type(made.request_part))
    result = f"Promise<{kinds[1]}>"
    if made.partial:
        result = f"bp.ReplyStream<{kinds[2]}, {kinds[1]}>"
    arguments = [f"{method.rstrip('_')}Call", "request" if made.request else "undefined", "options"]
    arguments += ["parts"] if made.request_part else []
    throws = [f"@throws {_class(each, failures)}: {each.doc}" if each.doc else f"@throws {_class(each, failures)}"
              for each in made.errors]
    constant = f"{method.rstrip('_')}Call"
    fields = [f"{name}: {value}" for name, value in shape]
    head = typed(f"const {constant}: bp.CallType", kinds, " = bp.callType({")
    declaration = f"{head}\n" + "".join(f"  {each},\n" for each in fields) + "});"
    return types.SimpleNamespace(
        method=method, declaration=declaration, doc=made.doc or f"calls {made.name}", throws=throws, parameters=parameters + ["options?: bp.CallOptions"], result=result, arguments=arguments,
        how="stream" if made.partial else "call")


def _class(failure, failures):
    known = failures.get((failure.status, failure.detail))
    return known.name if known else CLASSES[failure.status]


def _event(made, methods):
    name = local(made.name)
    return types.SimpleNamespace(
        wire=made.name, doc=made.doc or f"listens to {made.name}", payload=made.payload,
        on=methods.take(camel("on_" + name)), events=methods.take(camel(name + "_events")))


def _function(made, methods, refs):
    # Functions are of other modules, or of the application: all words of the name tell them apart.
    reply = refs.type(made.reply, "void")
    parameters = ([f"request: {refs.type(made.request)}"] if made.request else []) + ["asked: bp.Asked"]
    return types.SimpleNamespace(
        wire=made.name, doc=made.doc or f"answers {made.name}", request=made.request, reply=made.reply,
        method=methods.take(camel("provide_" + made.name)), parameters=parameters, result=f"{reply} | Promise<{reply}>")
