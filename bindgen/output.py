# SPDX-License-Identifier: Apache-2.0
"""Writes generated files, all or none, or shows what would change."""
import difflib
import os
import sys

from text import MARK

HEAD = 2000  # bytes; the mark stands near the begin of a file


class OutputError(Exception):
    """A file cannot be written, or must not."""


def write(folder, files):
    """Writes the files that differ from what is there. After an error nothing has changed."""
    changed = {}
    for path, text in files.items():
        there = _read(folder / path)
        if there == text:
            continue
        if there is not None and MARK not in there[:HEAD] and MARK in text[:HEAD]:
            raise OutputError(f"found {folder / path}, which `backplane bindgen` has not made; expected no such file, or "
                              "a generated one; move it, or give another directory")
        changed[path] = (there, text)
    _replace(folder, changed)
    for path in _stale(folder, files):
        print(f"{folder / path}: was generated earlier, and no module makes it now; delete it", file=sys.stderr)
    return 0


def check(folder, files):
    """Prints a unified diff from what is there to what would be made. Returns 1 if they differ, otherwise 0."""
    differ = False
    for path, text in files.items():
        there = _read(folder / path)
        if there == text:
            continue
        differ = True
        _diff(folder / path, there or "", text, there is None)
    for path in _stale(folder, files):
        differ = True
        print(f"{folder / path}: was generated earlier, and no module makes it now; delete it")
    return 1 if differ else 0


def _diff(path, there, text, missing):
    lines = difflib.unified_diff(there.splitlines(keepends=True), text.splitlines(keepends=True),
                                 "/dev/null" if missing else f"{path} (there)", f"{path} (generated)")
    for line in lines:
        sys.stdout.write(line if line.endswith("\n") else line + "\n\\ no newline at the end of the file\n")


def _read(path):
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")  # with its line ends
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from None


def _stale(folder, files):
    """Files in the folders of this run that carry the mark, and that this run does not make."""
    found = []
    suffixes = {os.path.splitext(path)[1] for path in files}
    for place in sorted({(folder / path).parent for path in files}):
        for entry in sorted(place.iterdir()) if place.is_dir() else ():
            name = entry.relative_to(folder).as_posix()
            if name in files or entry.suffix not in suffixes or entry.is_symlink() or not entry.is_file():
                continue
            with open(entry, "rb") as file:
                if MARK.encode() in file.read(HEAD):
                    found.append(name)
    return found


def _replace(folder, changed):
    """Writes each file under another name, and then renames all. If one cannot be renamed, the old ones come back."""
    written, renamed = {}, []
    try:
        for path, (_, text) in changed.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.{os.getpid()}")
            written[path] = beside
            beside.write_bytes(text.encode("utf-8", errors="surrogateescape"))
        for path in changed:
            os.replace(written[path], folder / path)
            del written[path]
            renamed.append(path)
    except OSError as error:
        for beside in written.values():
            beside.unlink(missing_ok=True)
        for path in renamed:
            there = changed[path][0]
            if there is None:
                (folder / path).unlink(missing_ok=True)
            else:
                (folder / path).write_bytes(there.encode("utf-8", errors="surrogateescape"))
        raise OutputError(f"{error.filename2 or error.filename} cannot be written: {error.strerror}; nothing was changed"
                          ) from None
