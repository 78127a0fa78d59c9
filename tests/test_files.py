"""A reader meets the old file or the new one; what cannot be written is one line."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inkcast.errors import InkcastError, OutputError
from inkcast.files import (
    refuse_existing,
    replacing_file,
    replacing_folder,
    shown,
    write_bytes,
    write_text,
)

MARKER = "comic.json"


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def fill(folder: Path, **files: str) -> None:
    for name, text in {MARKER.replace(".", "_"): "{}", **files}.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "page.pdf"
    write_text(target, "old")
    with replacing_file(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".pdf"
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert tree(tmp_path) == {"deep/page.pdf": "new"}


@pytest.mark.parametrize("error", [InkcastError("no"), KeyboardInterrupt(), ValueError("no"), SystemExit(143)])
def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    write_text(tmp_path / "a", "old")

    def fail() -> None:
        with replacing_file(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert tree(tmp_path) == {"a": "old"}


def test_text_is_the_same_bytes_on_every_platform(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "é\n☕\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\n\xe2\x98\x95\n"


def test_a_link_is_followed(tmp_path: Path) -> None:
    write_text(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_new_files_have_the_rights_a_person_gives_to_files(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_the_system_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    write_text(tmp_path / "a", "old")
    fill(tmp_path / "comic")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=f"cannot write .*a': {words}"):
        write_text(tmp_path / "a", "new")

    def fail() -> None:
        with replacing_folder(tmp_path / "comic", MARKER, overwrite=True) as folder:
            fill(folder, page_png="new")

    with pytest.raises(OutputError, match=f"comic': {words}"):
        fail()
    assert tree(tmp_path) == {"a": "old", "comic/comic.json": "{}"}


def test_a_name_that_is_taken_or_too_long_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name, words in (("folder", "something else"), ("file/x", "something else"), ("x" * 300, "too long")):
        with pytest.raises(OutputError, match=words):
            write_text(tmp_path / name, "")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        refuse_existing(tmp_path / "file", MARKER)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    def fail() -> None:
        with replacing_file(tmp_path / "a") as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("x" * 100_000)

    with pytest.raises(OutputError, match="the disk is full"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "comic"
    with replacing_folder(target, MARKER) as folder:
        fill(folder, panels__1_png="one")
        assert not target.exists()
    assert tree(tmp_path) == {"deep/comic/comic.json": "{}", "deep/comic/panels/1.png": "one"}
    assert os.listdir(tmp_path / "deep") == ["comic"]


def test_an_empty_folder_is_free_and_another_is_not(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "comic", MARKER):
        pass
    refuse_existing(tmp_path / "comic", MARKER)
    fill(tmp_path / "comic", page_png="old")
    with pytest.raises(OutputError, match=r"exists already; .*--overwrite"):
        refuse_existing(tmp_path / "comic", MARKER)
    refuse_existing(tmp_path / "comic", MARKER, overwrite=True)


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "Documents").mkdir()
    (tmp_path / "Documents" / "poems.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds no comic\.json"):
        refuse_existing(tmp_path / "Documents", MARKER, overwrite=True)


def test_overwriting_replaces_what_is_ours_and_keeps_what_is_not(tmp_path: Path) -> None:
    target = tmp_path / "comic"
    fill(target, page_1_png="old", page_2_png="old", notes_txt="mine", mine__draft_txt="mine")
    (target / "link").symlink_to("notes.txt")
    with replacing_folder(target, MARKER, overwrite=True, owned=("comic.*", "page*")) as folder:
        fill(folder, page_1_png="new")
    assert (target / "link").is_symlink()
    assert tree(target) == {
        "comic.json": "{}",
        "page.1.png": "new",
        "notes.txt": "mine",
        "mine/draft.txt": "mine",
        "link": "mine",
    }
    assert os.listdir(tmp_path) == ["comic"]


def test_a_folder_made_by_another_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def race() -> None:
        with replacing_folder(tmp_path / "comic", MARKER) as folder:
            fill(folder, page_png="ours")
            fill(tmp_path / "comic", page_png="theirs")

    with pytest.raises(OutputError, match="exists already"):
        race()
    assert tree(tmp_path) == {"comic/comic.json": "{}", "comic/page.png": "theirs"}


def test_a_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path / "comic", page_png="old")

    def interrupt() -> None:
        with replacing_folder(tmp_path / "comic", MARKER, overwrite=True) as folder:
            fill(folder, page_png="half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert tree(tmp_path) == {"comic/comic.json": "{}", "comic/page.png": "old"}


def test_a_swap_that_fails_half_way_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "comic", page_png="old")
    rename: Callable[..., None] = os.rename
    calls = []

    def once(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", once)
    monkeypatch.setattr("inkcast.files._exchange", lambda one, other: False)

    def swap() -> None:
        with replacing_folder(tmp_path / "comic", MARKER, overwrite=True) as folder:
            fill(folder, page_png="new")

    with pytest.raises(OutputError):
        swap()
    assert tree(tmp_path) == {"comic/comic.json": "{}", "comic/page.png": "old"}


WRITER = """
import sys
from pathlib import Path
from inkcast.files import replacing_folder, write_text
root = Path(sys.argv[1])
for number in range(10**6):
    text = f"{number} " * 20000
    write_text(root / "file", text)
    with replacing_folder(root / "comic", "comic.json", overwrite=True) as folder:
        for name in ("comic.json", "a", "b"):
            (folder / name).write_text(text)
    if number == 3:
        sys.stdout.write("going\\n")
        sys.stdout.flush()
"""


def test_a_kill_at_any_moment_leaves_whole_files(tmp_path: Path) -> None:
    for number in range(5):
        root = tmp_path / str(number)
        worker = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"going\n"
        time.sleep(0.003 * number)
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
        text = (root / "file").read_text()
        assert text == text[: text.index(" ") + 1] * 20000
        exchanged = (root / "comic").exists()
        assert exchanged or sys.platform not in ("linux", "darwin")
        # elsewhere, between the two renames of a swap the folder is away, but both versions stand whole beside it
        for folder in [root / "comic"] if exchanged else root.glob(".inkcast-*/"):
            contents = tree(folder)
            assert set(contents) == {"comic.json", "a", "b"}
            assert len(set(contents.values())) == 1


def test_what_is_shown_is_one_printable_line() -> None:
    assert shown("a\n\u202eb\x1b[2J") == "'a\\n\\u202eb\\x1b[2J'"
    assert shown("Ann 🦊") == "'Ann 🦊'"
    assert len(shown("x" * 10_000)) < 110
