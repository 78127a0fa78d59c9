"""Files of one folder that belong together, such as the pages of a comic: a reader never meets two comics mixed.

They are written and synced in a hidden folder beside their places. Renaming that folder commits: before it nothing is
changed; after it the old files go, then the new ones come. A program killed in between leaves a set with files missing,
whole in that hidden folder, and whoever writes the set next, or asks `finish_set`, completes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path

from inkcast.files import TEMPORARY, beside, reporting, sync_folder, sync_tree

NEW, LISTED = "new", "listed.json"


@contextmanager
def replacing_set(target: Path, old: Iterable[Path] = ()) -> Iterator[Path]:
    """Yields a temporary folder whose files take their places beside `target`, which names the set, when the block ends
    without an error; the `old` files go then.

    Raises:
        OutputError: the files cannot be written; nothing was changed.
    """
    with reporting(target):
        finish_set(target)
        stage = beside(target)
        (stage / NEW).mkdir(parents=True)
        try:
            yield stage / NEW
            names = sorted(path.name for path in (stage / NEW).iterdir())
            for name in names:
                if (target.parent / name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, "is a folder", str(target.parent / name))
            going = sorted({path.name for path in old if path.exists()} - set(names))
            (stage / LISTED).write_text(json.dumps({"new": names, "old": [*going, *names]}), "utf-8")
            sync_tree(stage)
            if len(names) == 1 and not going:  # one file takes another's place in one step
                os.replace(stage / NEW / names[0], target.parent / names[0])
                sync_folder(target.parent)
            else:
                _commit(stage, target)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def write_together(target: Path, files: Iterable[tuple[Path, bytes]], old: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Writes files of one folder, the set that `target` names, in place of the `old` ones; raises OutputError."""
    wanted = list(files)
    with replacing_set(target, old) as folder:
        for path, data in wanted:
            (folder / path.name).write_bytes(data)
    return tuple(path for path, _ in wanted)


def finish_set(target: Path) -> None:
    """Completes what a killed program had begun to put in place of the set that `target` names."""
    committed = _committed(target)
    if not committed.is_dir():
        return
    new = committed / NEW
    with contextlib.suppress(FileNotFoundError):  # without a list all is in place already
        listed = json.loads((committed / LISTED).read_text("utf-8"))
        for name in map(_plain, listed["old"]):
            if name not in listed["new"] or (new / name).exists():
                (target.parent / name).unlink(missing_ok=True)
        for name in map(_plain, listed["new"]):
            with contextlib.suppress(FileNotFoundError):  # it is there already
                os.replace(new / name, target.parent / name)
        sync_folder(target.parent)
        (committed / LISTED).unlink()
    shutil.rmtree(committed, ignore_errors=True)


def numbered(target: Path) -> list[Path]:
    """NAME-01.png, NAME-02.png… of the set that `target`, NAME.png, names: those on the disk without a gap."""
    pages = (target.with_stem(f"{target.stem}-{number:02d}") for number in count(1))
    return list(takewhile(Path.is_file, pages))


def looks_numbered(target: Path) -> list[Path]:
    """All files beside `target` whose names a set of that name could have, gaps or not."""
    wanted = re.compile(re.escape(target.stem) + r"-\d{2,}" + re.escape(target.suffix))
    there = target.parent.iterdir() if target.parent.is_dir() else ()
    return [path for path in there if path.name == target.name or wanted.fullmatch(path.name)]


def _commit(stage: Path, target: Path) -> None:
    while True:
        try:
            os.rename(stage, _committed(target))
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            finish_set(target)  # of another program, which wrote the same set meanwhile
    finish_set(target)


def _committed(target: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.parent / f"{TEMPORARY}set-{digest}"


def _plain(name: str) -> str:
    """`name`, which must not lead out of the folder."""
    if name != Path(name).name:
        raise OSError(errno.EINVAL, "a list of files was changed", name)
    return name
