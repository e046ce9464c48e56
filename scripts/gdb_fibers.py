#!/usr/bin/gdb -x
# SPDX-License-Identifier: Apache-2.0
"""gdb commands for suspended fibers: list them, and show the frames of each.

    scripts/gdb_fibers.py -p PID          examine a process; the same as gdb -x scripts/gdb_fibers.py -p PID
    scripts/gdb_fibers.py PROGRAM CORE    examine a core file
    (gdb) source scripts/gdb_fibers.py    load the commands into a session

    info fibers [-all] [TEXT]    list suspended fibers and their functions
    fiber N                      select a fiber: bt, frame, up, info locals and print then show its frames
    fiber N COMMAND              run one command in a fiber
    fiber apply all COMMAND      run a command in each fiber, for example fiber apply all bt
    fiber off                    return to the frames of the thread
    fiber gcore FILE             write a core file that includes the stacks of fibers
    help info fibers, help fiber

It needs no debug information of the host. It changes nothing in the process, and calls no function there. It reads the
structs of host/fiber/stack_chunk.hpp, and two members of a fiber from host/fiber/environment.hpp.
"""

import itertools
import os
import sys

import gdb
from gdb.unwinder import Unwinder, register_unwinder

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from gdb_core import Core  # noqa: E402
from gdb_names import of_the_sdk, short, without_arguments  # noqa: E402
from gdb_stacks import (  # noqa: E402
    SAVED, SAVED_SIZE, read, register, require_process, select, suspended, symbol, word)

ROWS = 200  # rows that info fibers prints without -all, because it must unwind each fiber
NAMES = 3  # functions shown in a row
RED_ZONE = 128  # bytes below the stack pointer that belong to a running function


class Restored:
    """Selects the same thread, fiber and frame again at the end."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.view = view.state
        self.level = gdb.selected_frame().level()

    def __exit__(self, *_):
        if not self.thread.is_valid():
            return
        self.thread.switch()
        view.set(self.view)
        select(self.level)


class View(Unwinder):
    """Makes the selected fiber's frames follow frame 0 of one thread, which is hidden from bt.

    It writes no registers, so it also works for core files.
    """

    def __init__(self):
        super().__init__("backplane-fibers")
        self.state = None  # or the stack, the thread, and the pc and stack pointer of the thread's frame 0

    def set(self, state):
        self.state = state
        hide.enabled = state is not None
        gdb.invalidate_cached_frames()

    def show(self, stack):
        newest = gdb.newest_frame()
        self.set((stack, gdb.selected_thread().ptid, (register(newest, "rip"), register(newest, "rsp"))))
        select(1)

    def stack(self):
        """The stack whose frames the selected thread shows, or None."""
        here = self.state is not None and gdb.selected_thread() is not None
        return self.state[0] if here and gdb.selected_thread().ptid == self.state[1] else None

    def __call__(self, pending):
        stack = self.stack()
        if stack is None:
            return None
        pointer = register(pending, "rsp")
        if (register(pending, "rip"), pointer) == self.state[2]:
            saved = {name: word(stack.context + offset) for name, offset in SAVED.items()}
            saved["rsp"] = stack.context + SAVED_SIZE
            # An inner frame must lie below all frames of the fiber.
            return self.unwound(pending, stack.context, saved)
        if pointer >= stack.top & ~15:  # the frame that the first switch to the fiber created
            return self.unwound(pending, pointer, {"rip": 0, "rsp": pointer})
        return None

    @staticmethod
    def unwound(pending, identity, saved):
        info = pending.create_unwind_info(FrameId(identity, register(pending, "rip")))
        like = pending.read_register("rsp").type
        for name, value in saved.items():
            info.add_saved_register(name, gdb.Value(value).cast(like))
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = gdb.Value(sp), gdb.Value(pc)


class Hide:
    """A frame filter: omits the thread's own frame from a fiber's backtrace, and all frames outside its stack."""

    def __init__(self):
        self.name, self.priority, self.enabled = "backplane-fibers", 100, False

    def filter(self, frames):
        stack = view.stack()
        if stack is None:
            return frames
        inner = itertools.dropwhile(lambda frame: frame.inferior_frame().level() == 0, frames)
        return itertools.takewhile(lambda frame: on(stack, frame.inferior_frame()), inner)


def on(stack, frame):
    return stack.bottom <= register(frame, "rsp") < stack.top & ~15


view = View()
hide = Hide()


def where(stack, host):
    """The innermost functions outside the host and the SDK, innermost first."""
    if not stack.is_there():
        return "its stack is not in this core file; write the core with fiber gcore, or let the system write it"
    with Restored():
        view.show(stack)
        frame, names, outer, first = gdb.newest_frame().older(), [], None, None
        while frame is not None and frame.is_valid() and on(stack, frame) and len(names) < NAMES:
            file = gdb.solib_name(frame.pc())
            # libboost_context has the functions that switch.
            if file == host or "libboost_context" in (file or ""):
                first = first or f"in the host: {frame.name()}"
            elif not frame.name():
                names.append(f"{frame.pc():#x} in {file or 'the program'}")
            elif name := short(frame.name()):
                # A lambda and the SDK's function that calls it have equal names. Show one of them, but show recursion.
                if not (names and names[-1] == name and of_the_sdk(frame.name())):
                    names.append(name)
            else:
                outer = f"in the SDK: {without_arguments(frame.name())}"
            frame = frame.older()
        return " < ".join(names) or outer or first


class InfoFibers(gdb.Command):
    """List the suspended fibers of Backplane's handlers.

info fibers [-all] [TEXT]
With TEXT, lists only fibers of wire names that contain TEXT. Without -all, lists at most 200.

Num     its number for `fiber` and `fiber apply`, until the process continues
Run     fibers of one run of a handler have the same number
Fiber   its id in bp.fiber/1; `handler` is the handler itself
Stack   size of its stack in bytes
In use  bytes of the stack in use now
Where   the innermost functions outside the host and the SDK, innermost first, without arguments

A running fiber has no number: use the backtrace of its thread. Handlers that rest between two requests are not
listed."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        wanted = gdb.string_to_argv(argument)
        everything = "-all" in wanted
        wanted = [part for part in wanted if part != "-all"]
        if len(wanted) > 1 or (wanted and wanted[0].startswith("-")):
            raise gdb.GdbError(f"found '{argument}'; expected -all, a part of a wire name, both or nothing")
        require_process()
        everybody = suspended()
        found = [stack for stack in everybody if not wanted or wanted[0] in stack.label]
        if not found:
            gdb.write("No fibers: no handler is suspended.\n" if not everybody else
                      f"No fibers of a wire name that contains '{wanted[0]}'; other wire names have {len(everybody)}.\n")
            return
        host = gdb.solib_name(symbol())
        wide = max(len(stack.label) for stack in found)
        gdb.write(f"{'':1} {'Num':>4} {'Run':>4} {'Method':<{wide}} {'Fiber':>8} {'Stack':>9} {'In use':>9} Where\n")
        for stack in found if everything else found[:ROWS]:
            here = f"runs in thread {stack.thread}" if stack.thread else where(stack, host)
            mark = "*" if view.stack() is not None and view.stack().context == stack.context else " "
            gdb.write(f"{mark} {stack.number or '-':>4} {stack.run:>4} {stack.label:<{wide}} "
                      f"{stack.fiber or 'handler':>8} {stack.size:>9} {stack.used():>9} {here}\n")
        if not everything and len(found) > ROWS:
            gdb.write(f"{len(found) - ROWS} more: give a part of the wire name, or use info fibers -all\n")


def numbered(argument):
    """The fibers with these numbers, for example "1 3-5", or all fibers for "all"."""
    fibers = [stack for stack in suspended() if stack.number]
    if argument == "all":
        return fibers
    chosen = []
    for part in argument.split():
        first, _, last = part.partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise gdb.GdbError(f"found '{part}'; expected the number of a fiber from info fibers, a range such as 2-5, "
                               "or all")
        first, last = int(first), int(last or first)
        if not 1 <= first <= last <= len(fibers):
            have = f"expected 1 to {len(fibers)}" if fibers else "no fiber is suspended"
            raise gdb.GdbError(f"there is no fiber {part}; {have}; info fibers lists all fibers")
        chosen.extend(fibers[first - 1:last])
    return chosen


def title(stack):
    return f"Fiber {stack.number} ({stack.label}, {stack.who()}, run {stack.run})"


def enter(stack):
    if not stack.is_there():
        raise gdb.GdbError(f"{title(stack)}: its stack is not in this core file. gdb's own gcore may omit stacks: use "
                           "fiber gcore, or let the system write the core")
    view.show(stack)


def run_in(stack, command, from_tty):
    with Restored():
        enter(stack)
        gdb.execute(command, from_tty)


class Fiber(gdb.Command):
    """Look into a suspended fiber of Backplane's handlers.

fiber                shows which fiber is selected
fiber N              selects fiber N of `info fibers`: bt, frame, up, down, info locals and print then show its frames,
                     which count from 1
fiber N COMMAND      runs one command in fiber N, such as bt 5
fiber apply all|N... COMMAND
fiber off            returns to the frames of the thread
fiber gcore [FILE]

The frames of a selected fiber replace those of the selected thread. The registers are shown, but cannot be set. Use
`fiber off` before step, next, finish or return. When the process continues, the fiber is no longer selected."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)

    def invoke(self, argument, from_tty):
        number, _, command = argument.strip().partition(" ")
        require_process()
        if not number:
            stack = view.stack()
            gdb.write(f"{title(stack)} is selected.\n" if stack else
                      "No fiber is selected. info fibers lists them, and fiber N selects one.\n")
            return
        stack, *more = numbered(number) or [None]
        if stack is None or more:
            raise gdb.GdbError(f"found '{number}'; expected one fiber's number. For several, use fiber apply {number} bt")
        if command:
            run_in(stack, command, from_tty)
            return
        enter(stack)
        gdb.write(f"[{title(stack)}]\n")
        gdb.execute("frame")


class FiberApply(gdb.Command):
    """Run a command in several suspended fibers.

fiber apply all COMMAND
fiber apply N... COMMAND     numbers as `info fibers` lists them, or ranges such as 2-5

fiber apply all bt
fiber apply 1 4-6 bt 3"""

    def __init__(self):
        super().__init__("fiber apply", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        parts = argument.split()
        chosen = list(itertools.takewhile(lambda part: part == "all" or part[0].isdigit(), parts))
        command = " ".join(parts[len(chosen):])
        if not chosen or not command:
            raise gdb.GdbError(f"found 'fiber apply {argument}'; expected fibers and a command, for example "
                               "'fiber apply all bt' or 'fiber apply 1 3-5 bt 4'")
        require_process()
        for stack in numbered(" ".join(chosen)):
            gdb.write(f"\n{title(stack)}:\n")
            try:
                run_in(stack, command, from_tty)
            except gdb.error as error:  # continue with the other fibers
                gdb.write(f"{error}\n")


class FiberOff(gdb.Command):
    """Return from a fiber to the frames of the thread."""

    def __init__(self):
        super().__init__("fiber off", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        view.set(None)


class FiberGcore(gdb.Command):
    """Write a core file of the process that includes the stacks of its fibers.

fiber gcore [FILE]

On Linux 6.13 or later, the guard pages of stacks are not mappings of their own. gdb's own gcore then stops at the first
guard page and omits all stacks after it. This command runs gcore and adds the used parts of the stacks. A core file
that the system writes when a process dies has them anyway."""

    def __init__(self):
        super().__init__("fiber gcore", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        require_process()
        path = os.path.expanduser(argument.strip()) or f"core.{gdb.selected_inferior().pid}"
        stacks = suspended()
        gdb.execute(f"gcore {path}", from_tty)
        try:
            with Core(path) as core:
                for stack in stacks:
                    start = max(stack.bottom, stack.context - RED_ZONE)
                    if not core.write(start, read(start, stack.top - start)):
                        gdb.write(f"{title(stack)}: the core has no room for its stack at {stack.bottom:#x}\n")
        except (OSError, ValueError) as error:
            raise gdb.GdbError(f"cannot add the fibers' stacks to {path}: {error}; the file is as gcore wrote it") from None
        gdb.write(f"Added the stacks of {len(stacks)} fibers and handlers.\n")


register_unwinder(None, view, replace=True)
gdb.frame_filters[hide.name] = hide
gdb.events.cont.connect(lambda _: view.set(None))
gdb.events.exited.connect(lambda _: view.set(None))
InfoFibers()
Fiber()
FiberApply()
FiberOff()
FiberGcore()
