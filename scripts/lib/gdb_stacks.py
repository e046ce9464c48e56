# SPDX-License-Identifier: Apache-2.0
"""For gdb_fibers.py: reads the stacks of a process or a core file, and the fibers suspended on them."""

import bisect
import struct

import gdb

# Boost.Context 1.81 saves these registers at these offsets from the saved stack pointer (x86_64).
SAVED = {"r12": 0x10, "r13": 0x18, "r14": 0x20, "r15": 0x28, "rbx": 0x30, "rbp": 0x38, "rip": 0x40}
SAVED_SIZE = 0x48  # offset of the stack pointer after resuming

ENVIRONMENT = 16  # offset of a fiber's environment pointer from its context; equal for all fibers of one run


class Stack:
    """One stack of a chunk, and the fiber suspended on it."""

    def __init__(self, bottom, size, context_place, inner_place, label, fiber):
        self.bottom, self.top, self.size = bottom, bottom + size, size
        self.context_place, self.inner_place = context_place, inner_place
        self.label, self.fiber = label, fiber
        self.context = 0  # address of the saved registers
        self.environment = 0
        self.number = 0
        self.run = 0
        self.thread = None  # number of the thread that runs on it

    def who(self):
        return f"fiber {self.fiber}" if self.fiber else "handler"

    def used(self):
        return self.top - self.context

    def is_there(self):
        """Returns False if the core file does not contain the stack."""
        return word_or_0(self.context + SAVED["rip"]) != 0


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def words(address, count):
    return struct.unpack(f"<{count}Q", read(address, 8 * count))


def word(address):
    return words(address, 1)[0]


def word_or_0(address):
    """Reads a word, or 0 if there is no memory: the process stopped during a change, or the core file is incomplete."""
    try:
        return word(address)
    except gdb.MemoryError:
        return 0


def text(address):
    found = b""
    while b"\0" not in found and len(found) < 256:
        at = address + len(found)
        found += read(at, 16 - at % 16)  # never reads beyond the page in which the text ends
    return found.split(b"\0")[0].decode(errors="replace")


def require_process():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("found neither a process nor a core file; attach to a process (attach PID), or start gdb "
                           "with -p PID or with a program and its core file")
    machine = gdb.newest_frame().architecture().name()
    if machine != "i386:x86-64":
        raise gdb.GdbError(f"found the architecture {machine}, expected x86_64; to support it, add the register layout "
                           "of Boost.Context's jump_fcontext to SAVED in gdb_stacks.py")


def symbol():
    """Address of the pointer to the list of chunks."""
    try:
        return int(gdb.parse_and_eval("(unsigned long)&backplane_stack_chunks"))
    except gdb.error as error:
        host = [o.filename for o in gdb.objfiles() if o.filename and "backplane" in o.filename]
        found = f"gdb has read {', '.join(host)}" if host else "gdb has read no file with backplane in its name"
        raise gdb.GdbError(f"found no symbol backplane_stack_chunks ({error}); {found}. Expected libbackplane with its "
                           "symbol table. If it is stripped, use a build with symbols. If it is not loaded, there are "
                           "no fibers. If gdb cannot find it (info sharedlibrary), set solib-search-path") from None


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
        raise gdb.GdbError(f"cannot read the list of stacks at {chunk:#x}: {error}; expected a core file with all memory "
                           "of the process, and the libraries that the process used") from None
    return sorted(found, key=lambda stack: stack.bottom)


def place_threads(stacks):
    """Sets the thread of each stack on which a thread runs."""
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
    """The stacks with a suspended or running fiber, ordered by run and fiber."""
    stacks = all_stacks()
    bottoms = [stack.bottom for stack in stacks]
    for stack in stacks:
        for place in (stack.context_place, stack.inner_place):
            # While an environment waits, the context of its active fiber is stored in the handler's place. Only the
            # address shows to which stack it belongs.
            context = word_or_0(place) if place else 0
            at = bisect.bisect_right(bottoms, context) - 1
            if context and at >= 0 and context < stacks[at].top:
                stacks[at].context = context
    place_threads(stacks)
    # A handler's stack without a name is idle.
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
