# SPDX-License-Identifier: Apache-2.0
"""The least that a language can be: one file for each module, which lists what is in it."""
from names import Scope, local, snake
from templates import environment
from text import stamp

_TEMPLATE = environment(__file__).get_template("module.j2")


def files(outline, options):
    made = {}
    for module in outline.modules:
        scope = Scope({"for", "class"})
        functions = [(scope.take(snake(local(call.name))), call) for call in module.calls]
        made[f"{module.name}.txt"] = _TEMPLATE.render(
            module=module, stamp=stamp(outline.generator, module), functions=functions, language=options.language)
    return made
