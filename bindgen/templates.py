# SPDX-License-Identifier: Apache-2.0
"""The template engine, set up alike for all languages."""
import pathlib

import jinja2


def environment(generate_file, **more):
    """An environment for the templates beside `generate_file`. `more`: functions and values that they all may use.

    A name that does not exist is an error. A line with a statement alone leaves no line.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(generate_file).parent),
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        auto_reload=False, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    made.globals.update(more)
    return made
