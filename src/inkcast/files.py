"""Writing so that a reader meets the old file or the new one, never half of one.

Everything is written under a temporary hidden name beside its target, synced, then renamed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
        temporary = beside(target, target.suffix)
        try:
            yield temporary
            sync(temporary)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; raises OutputError."""
    with replacing_file(path) as temporary:
        temporary.write_bytes(data)


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
        temporary = beside(target)
        temporary.mkdir()
        try:
            yield temporary
            refuse_existing(target, marker, overwrite=overwrite)
            _carry_over(target, temporary, owned)
            sync_tree(temporary)
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(target.parent)


def beside(target: Path, suffix: str = "") -> Path:
    """A free hidden name in the target's folder, which is made if missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f"{TEMPORARY}{secrets.token_hex(8)}{suffix if len(suffix) < 16 else ''}"


def keep_newest(folder: Path, count: int, *, besides: Path) -> None:
    """Removes all files of `folder` but `besides` and the `count` that were written last, whole or not."""
    written = []
    for path in folder.iterdir():
        try:
            if path != besides and path.is_file():
                written.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:  # another process renamed or removed it
            continue
    for _, path in sorted(written, reverse=True)[count:]:
        path.unlink(missing_ok=True)


def _carry_over(old: Path, new: Path, owned: Sequence[str]) -> None:
    for entry in old.iterdir() if old.is_dir() else ():
        if any(fnmatch(entry.name, pattern) for pattern in owned) or (new / entry.name).exists():
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, new / entry.name, follow_symlinks=False)


def _swap(new: Path, target: Path) -> None:
    """Puts `new` at `target`, and what was there at `new` or nowhere: in one step where the system can, else in two,
    between which an interruption leaves both folders whole beside their place."""
    if not target.exists():
        os.rename(new, target)
        return
    if _exchange(new, target):
        return
    old = beside(target)
    os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Whether the system gave each the other's name in one step; not all systems and file systems do."""
    import ctypes

    library = ctypes.CDLL(None) if os.name == "posix" else None
    paths = os.fsencode(one), os.fsencode(other)
    if (linux := getattr(library, "renameat2", None)) is not None:
        here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        return bool(linux(here, paths[0], here, paths[1], exchange) == 0)
    if (mac := getattr(library, "renamex_np", None)) is not None:
        swap = 2  # RENAME_SWAP
        return bool(mac(*paths, swap) == 0)
    return False


def sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    if os.name == "nt":  # folders cannot be opened for syncing there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            entry = Path(folder, name)
            if entry.is_file() and not entry.is_symlink() and os.access(entry, os.W_OK):
                sync(entry)
        sync_folder(Path(folder))
