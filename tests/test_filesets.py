"""Sets of files: never two comics mixed, whatever step fails or is killed; the next who comes completes them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inkcast.errors import OutputError
from inkcast.filesets import finish_set, looks_numbered, numbered, replacing_set, write_together

OLD = {f"comic-{number:02}.png": "old" for number in range(1, 6)}
NEW = {f"comic-{number:02}.png": "new" for number in range(1, 4)}


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "comic.png"


def seen(folder: Path) -> dict[str, str]:
    """What a reader sees: the files that are not hidden."""
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}


def put(target: Path, files: dict[str, str]) -> None:
    write_together(target, [(target.parent / name, text.encode()) for name, text in files.items()], numbered(target))


def test_a_set_takes_the_place_of_another(tmp_path: Path) -> None:
    target = fill(tmp_path, OLD | {"comic-2024.png": "mine", "comic.png": "mine"})
    put(target, NEW)
    assert seen(tmp_path) == NEW | {"comic-2024.png": "mine", "comic.png": "mine"}
    assert len(list(tmp_path.iterdir())) == 5


def test_numbers_without_a_gap_are_pages(tmp_path: Path) -> None:
    target = fill(tmp_path, OLD | {"comic-07.png": "", "other-01.png": "", "comic-1.png": ""})
    assert [path.name for path in numbered(target)] == sorted(OLD)
    assert {path.name for path in looks_numbered(target)} == {*OLD, "comic-07.png"}


def test_a_set_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    target = fill(tmp_path, OLD)
    (tmp_path / "comic-09.png").mkdir()
    with pytest.raises(OutputError, match="something else has that name"):
        put(target, NEW | {"comic-09.png": "new"})
    (tmp_path / "comic-09.png").rmdir()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == OLD


def test_a_stop_while_the_set_is_made_changes_nothing(tmp_path: Path) -> None:
    target = fill(tmp_path, OLD)

    def stop() -> None:
        with replacing_set(target, numbered(target)) as folder:
            (folder / "comic-01.png").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == OLD


STEPS: list[tuple[Any, str]] = [(os, "rename"), (os, "replace"), (os, "fsync"), (Path, "unlink"), (shutil, "rmtree")]


@pytest.mark.parametrize(("owner", "name"), STEPS)
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_failure_at_any_step_mixes_nothing_and_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, failure: BaseException
) -> None:
    right: Callable[..., Any] = getattr(owner, name)
    for step in range(1, 12):
        folder = tmp_path / str(step)
        folder.mkdir()
        target, calls = fill(folder, OLD), []

        def breaking(*arguments: Any, calls: list[int] = calls, step: int = step, **more: Any) -> Any:
            calls.append(1)
            if len(calls) >= step:
                raise failure
            return right(*arguments, **more)

        monkeypatch.setattr(owner, name, breaking)
        with contextlib.suppress(OutputError, KeyboardInterrupt):
            put(target, NEW)
        monkeypatch.setattr(owner, name, right)
        assert len({*seen(folder).values()}) <= 1, step
        finish_set(target)
        assert seen(folder) in (OLD, NEW), step
        put(target, NEW)
        assert seen(folder) == NEW
        if len(calls) < step:
            return
    pytest.fail("never ran to its end")


WRITER = """
import sys
from pathlib import Path
from inkcast.filesets import numbered, write_together
target = Path(sys.argv[1]) / "comic.png"
for number in range(10**6):
    pages = [(target.with_stem(f"comic-{page:02}"), str(number).encode()) for page in range(1, 4 + number % 5)]
    write_together(target, pages, numbered(target))
    if number == 3:
        sys.stdout.write("going\\n")
        sys.stdout.flush()
"""


def test_a_kill_at_any_moment_mixes_nothing_and_is_completed(tmp_path: Path) -> None:
    for number in range(6):
        root = tmp_path / str(number)
        worker = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"going\n"
        time.sleep(0.002 * number)
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
        assert len({*seen(root).values()}) <= 1
        finish_set(root / "comic.png")
        (comic,) = {*seen(root).values()}
        assert len(seen(root)) == 3 + int(comic) % 5


def test_two_programs_write_one_set_whole(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("10**6", "25"), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    finish_set(tmp_path / "comic.png")
    assert "24" in seen(tmp_path).values()


def test_a_list_that_was_changed_leads_nowhere(tmp_path: Path) -> None:
    mine = fill(tmp_path, {"mine.txt": "mine"}).with_name("mine.txt")
    target = tmp_path / "pages" / "comic.png"
    put(target, NEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            put(target, NEW)
    (listed,) = target.parent.rglob("listed.json")
    listed.write_text('{"old": ["../mine.txt"], "new": []}')
    with pytest.raises(OSError, match="changed"):
        finish_set(target)
    assert mine.read_text() == "mine"
