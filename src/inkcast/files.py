"""Writing so that a reader meets the old file or the new one, never half of one.

Everything is written under a temporary hidden name beside its target, synced, then renamed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path

from inkcast.errors import OutputError

TEMPORARY = ".inkcast-"
_LONGEST_SHOWN = 100


def shown(value: object) -> str:
    """`value` quoted for a one-line message: control and direction marks escaped, the middle of a long one left out."""
    text = repr(str(value))
    if len(text) <= _LONGEST_SHOWN:
        return text
    half = _LONGEST_SHOWN // 2
    return f"{text[:half]}…{text[-half:]}"


def output_error(error: OSError, path: Path) -> OutputError:
    """The one line for `error`, met while writing `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return OutputError(f"cannot write {shown(path)}: the disk is full; make room or choose another place")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return OutputError(f"cannot write {shown(path)}: no permission to write there; choose another place")
        case errno.ENAMETOOLONG:
            return OutputError(f"cannot write {shown(path)}: the name is too long; choose a shorter one")
        case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
            return OutputError(f"cannot write {shown(path)}: something else has that name; choose another")
    return OutputError(f"cannot write {shown(path)}: {error.strerror or error}")


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turns an OSError of the block into the OutputError that names `path`."""
    try:
        yield
    except OSError as error:
        raise output_error(error, path) from error


@contextmanager
def replacing_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path (same folder, same suffix) that becomes `path` when the block ends without an error.

    Missing parent folders are made. A symbolic link is followed, not replaced.

    Raises:
        OutputError: the file cannot be written; what was at `path` before is untouched.
    """
    target = Path(os.path.realpath(path))
    with reporting(target):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        temporary = _beside(target, target.suffix)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; raises OutputError."""
    with replacing_file(path) as temporary:
        temporary.write_bytes(data)


def write_together(files: Iterable[tuple[Path, bytes]]) -> tuple[Path, ...]:
    """Writes files that belong together: none takes its name before all are on the disk; raises OutputError."""
    wanted = list(files)
    with ExitStack() as stack:
        for path, data in wanted:
            stack.enter_context(replacing_file(path)).write_bytes(data)
    return tuple(path for path, _ in wanted)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` as UTF-8 with "\\n" line ends to `path`, whole or not at all; raises OutputError."""
    write_bytes(path, text.encode())


def refuse_existing(path: str | os.PathLike[str], marker: str, *, overwrite: bool = False) -> None:
    """Raises OutputError unless `replacing_folder` may put a folder at `path`; to be asked before long work.

    Absent and empty folders are free. With `overwrite` so is a folder that holds a file named `marker`,
    the proof that an earlier run made it.
    """
    target = Path(path)
    with reporting(target):
        if not target.exists():
            return
        if not target.is_dir():
            raise OutputError(f"{shown(target)} is a file, not a folder; choose another place")
        if not any(target.iterdir()):
            return
        if not overwrite:
            raise OutputError(f"{shown(target)} exists already; choose another place or give --overwrite")
        if not (target / marker).is_file():
            raise OutputError(
                f"{shown(target)} holds no {marker}, so it is not ours to overwrite; choose another place"
            )


@contextmanager
def replacing_folder(
    path: str | os.PathLike[str], marker: str, *, overwrite: bool = False, owned: Sequence[str] = ("*",)
) -> Iterator[Path]:
    """Yields a temporary folder that becomes `path` when the block ends without an error.

    `marker` is a file every such folder holds (see `refuse_existing`). When one is overwritten, entries of it whose
    names match none of the patterns `owned` are a person's own and are carried over.

    Raises:
        OutputError: `path` may not be replaced or cannot be written; what was there before is untouched.
    """
    refuse_existing(path, marker, overwrite=overwrite)
    target = Path(os.path.realpath(path))
    with reporting(target):
        temporary = _beside(target)
        temporary.mkdir()
        try:
            yield temporary
            refuse_existing(target, marker, overwrite=overwrite)
            _carry_over(target, temporary, owned)
            _sync_tree(temporary)
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _sync_folder(target.parent)


def _beside(target: Path, suffix: str = "") -> Path:
    """A free hidden name in the target's folder, which is made if missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f"{TEMPORARY}{secrets.token_hex(8)}{suffix if len(suffix) < 16 else ''}"


def _carry_over(old: Path, new: Path, owned: Sequence[str]) -> None:
    for entry in old.iterdir() if old.is_dir() else ():
        if any(fnmatch(entry.name, pattern) for pattern in owned) or (new / entry.name).exists():
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, new / entry.name, follow_symlinks=False)


def _swap(new: Path, target: Path) -> None:
    """Puts `new` at `target`; an interruption between the two renames leaves both folders whole."""
    if not target.exists():
        os.rename(new, target)
        return
    old = _beside(target)
    os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # folders cannot be opened for syncing there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            entry = Path(folder, name)
            if entry.is_file() and not entry.is_symlink() and os.access(entry, os.W_OK):
                _sync(entry)
        _sync_folder(Path(folder))
