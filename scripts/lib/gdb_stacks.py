# SPDX-License-Identifier: Apache-2.0
"""For gdb_fibers.py: reads from a process or a core which stacks there are, and who is suspended on them."""

import bisect
import struct

import gdb

# What fcontext of Boost.Context 1.81 leaves at the saved stack pointer of an x86_64: register, offset.
SAVED = {"r12": 0x10, "r13": 0x18, "r14": 0x20, "r15": 0x28, "rbx": 0x30, "rbp": 0x38, "rip": 0x40}
SAVED_SIZE = 0x48  # and there the stack pointer is when it has been resumed

ENVIRONMENT = 16  # of a fiber, from where its context is kept: equal for those of one run


class Stack:
    """One stack of a chunk, and who is suspended on it."""

    def __init__(self, bottom, size, context_place, inner_place, label, fiber):
        self.bottom, self.top, self.size = bottom, bottom + size, size
        self.context_place, self.inner_place = context_place, inner_place
        self.label, self.fiber = label, fiber
        self.context = 0  # where the registers lie of who is suspended here
        self.environment = 0
        self.number = 0
        self.run = 0
        self.thread = None  # that runs on it

    def who(self):
        return f"fiber {self.fiber}" if self.fiber else "handler"

    def used(self):
        return self.top - self.context

    def is_there(self):
        """False in a core that has not got it."""
        return word_or_0(self.context + SAVED["rip"]) != 0


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def words(address, count):
    return struct.unpack(f"<{count}Q", read(address, 8 * count))


def word(address):
    return words(address, 1)[0]


def word_or_0(address):
    """0 where there is no memory: in a process that was stopped in the midst of a change, or a core with holes."""
    try:
        return word(address)
    except gdb.MemoryError:
        return 0


def text(address):
    found = b""
    while b"\0" not in found and len(found) < 256:
        at = address + len(found)
        found += read(at, 16 - at % 16)  # never beyond the page that the text ends in
    return found.split(b"\0")[0].decode(errors="replace")


def require_process():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("there is neither a process nor a core to look at; attach to one (attach PID), or start gdb "
                           "with -p PID or with a program and its core")
    machine = gdb.newest_frame().architecture().name()
    if machine != "i386:x86-64":
        raise gdb.GdbError(f"this is {machine}, and of how fibers save their registers only that for x86_64 is known; "
                           "add the layout of Boost.Context's jump_fcontext for it to SAVED in gdb_fibers.py")


def symbol():
    """Where the list of all chunks begins."""
    try:
        return int(gdb.parse_and_eval("(unsigned long)&backplane_stack_chunks"))
    except gdb.error as error:
        host = [o.filename for o in gdb.objfiles() if o.filename and "backplane" in o.filename]
        found = f"of the files that gdb has read, {', '.join(host)} may be the host" if host else \
            "none of the files that gdb has read is called like a host"
        raise gdb.GdbError(f"found no symbol backplane_stack_chunks ({error}); {found}. Expected libbackplane with its "
                           "symbol table: if it is stripped, use a build that is not; if it is not loaded, there are "
                           "no fibers; if gdb has not found it (info sharedlibrary), set solib-search-path") from None


def chunk_stacks(chunk):
    _, _, _, _, size, count, stacks, stride = words(chunk, 8)
    memory = read(stacks, count * stride)
    for i in range(count):
        bottom, context, inner, label, fiber = struct.unpack_from("<5Q", memory, i * stride)
        yield Stack(bottom, size, context, inner, label, fiber)


def all_stacks():
    start = symbol()
    found, seen = [], set()
    chunk = start
    try:
        chunk = word(start)
        while chunk and chunk not in seen:
            seen.add(chunk)
            found.extend(chunk_stacks(chunk))
            chunk = word(chunk)
    except (gdb.MemoryError, struct.error) as error:
        raise gdb.GdbError(f"cannot read the list of stacks at {chunk:#x}: {error}; a core must hold the process's "
                           "whole memory, and its libraries be those that the process had") from None
    return sorted(found, key=lambda stack: stack.bottom)


def place_threads(stacks):
    """Which thread runs on which stack."""
    bottoms = [stack.bottom for stack in stacks]
    selected, level = gdb.selected_thread(), gdb.selected_frame().level()
    for thread in gdb.selected_inferior().threads():
        if thread.is_running():
            continue
        thread.switch()
        pointer = register(gdb.newest_frame(), "rsp")
        at = bisect.bisect_right(bottoms, pointer) - 1
        if at >= 0 and pointer < stacks[at].top:
            stacks[at].thread = thread.num
            stacks[at].context = pointer
    selected.switch()
    select(level)


def suspended():
    """The stacks on which somebody is suspended, or runs, in the order of runs and of their fibers."""
    stacks = all_stacks()
    bottoms = [stack.bottom for stack in stacks]
    for stack in stacks:
        for place in (stack.context_place, stack.inner_place):
            # While an environment waits, it is the handler's own place that says where its fiber stands: only the
            # address tells who is suspended there.
            context = word_or_0(place) if place else 0
            at = bisect.bisect_right(bottoms, context) - 1
            if context and at >= 0 and context < stacks[at].top:
                stacks[at].context = context
    place_threads(stacks)
    # A handler's stack without a name rests.
    found = [stack for stack in stacks if stack.context and stack.label and stack.context_place]
    runs = {}
    for stack in found:
        member = stack.context_place if stack.fiber else stack.inner_place
        stack.environment = word_or_0(member + ENVIRONMENT) if member else stack.bottom
        runs.setdefault(stack.environment, []).append(stack)
    names = {}
    ordered = []
    for run, members in enumerate(sorted(runs.values(), key=lambda each: min(s.bottom for s in each)), 1):
        for stack in sorted(members, key=lambda each: each.fiber):
            stack.run = run
            if stack.label not in names:
                try:
                    names[stack.label] = text(stack.label)
                except gdb.MemoryError:
                    names[stack.label] = "?"
            stack.label = names[stack.label]
            ordered.append(stack)
    for number, stack in enumerate((s for s in ordered if s.thread is None), 1):
        stack.number = number
    return ordered


def register(frame, name):
    return int(frame.read_register(name)) & 0xFFFFFFFFFFFFFFFF


def select(level):
    frame = gdb.newest_frame()
    for _ in range(level):
        frame = frame.older() or frame
    frame.select()
