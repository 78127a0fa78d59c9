"""A character as one file: out and in again, and what must not get in."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from people import person, picture
from PIL import Image

from inkcast.cast.archive import MANIFEST, pack_character, read_character
from inkcast.cast.character import Identity, State
from inkcast.cast.identities import pack
from inkcast.cast.record import CharacterRecord, IdentityRecord, ReferenceRecord
from inkcast.cast.store import CastLibrary
from inkcast.errors import CastError, InkcastError, PictureError
from inkcast.images import encode_png

TENSORS = pack(Identity("any-story", "w", {"x": torch.arange(4.0)}))
ANN = CharacterRecord(
    name="Ann/Lee 🦊",
    aliases=("Annie",),
    pronouns="she",
    description="red\nhair",
    states=(State("armour", "shining steel"),),
    references=(
        ReferenceRecord(picture(1), source="ann.png", consent="drawn by me"),
        ReferenceRecord(picture(2), mask=picture(3), view="side", state="armour"),
        ReferenceRecord(picture(1), view="close-up"),
    ),
    identities=(
        IdentityRecord("any-story", "w", "0" * 64, TENSORS),
        IdentityRecord("stable-identity", "w", "", TENSORS),
    ),
)


def repacked(path: Path, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> Path:
    """Writes ANN's file with its parts changed."""
    path.write_bytes(pack_character(ANN))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def with_manifest(path: Path, **fields: object) -> Path:
    def change(parts: dict[str, bytes]) -> None:
        parts[MANIFEST] = json.dumps({**json.loads(parts[MANIFEST]), **fields}).encode()

    return repacked(path, change)


def test_out_and_in_again(tmp_path: Path) -> None:
    (tmp_path / "ann").write_bytes(pack_character(ANN))
    assert read_character(tmp_path / "ann") == ANN


def test_the_same_character_gives_the_same_bytes() -> None:
    assert pack_character(ANN) == pack_character(ANN)


def test_from_one_library_to_another(library: CastLibrary, tmp_path: Path) -> None:
    library.add(ANN)
    data = pack_character(library.record("annie"))
    (tmp_path / "ann").write_bytes(data)
    library.remove("annie")
    library.add(read_character(tmp_path / "ann"))
    assert library.record("annie") == ANN
    assert pack_character(library.record("annie")) == data
    (imported,) = library.imported_identities(library.entry("annie").id, "stable-identity")
    assert imported.tensors["x"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert library.imported_identities(library.entry("annie").id, "any-story") == ()


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/passwd", "pictures/../evil", "pictures/" + "0" * 63 + "/x", "C:\\evil", "pictures\\a"]
)
def test_paths_of_an_archive_s_choosing_are_refused(tmp_path: Path, name: str) -> None:
    path = repacked(tmp_path / "bad", lambda parts: parts.update({name: b"evil"}))
    with pytest.raises(CastError, match="no character file does"):
        read_character(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad"]


def test_a_digest_that_is_a_path_is_refused(tmp_path: Path) -> None:
    path = with_manifest(tmp_path / "bad", references=[{"picture": "../" * 20 + "etc/passwd"}])
    with pytest.raises(CastError, match=r"wrong at 'references\.0\.picture'"):
        read_character(path)


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_CHARACTER_MEGABYTES", "1")
    zeros = bytes(20_000_000)
    name = f"pictures/{hashlib.sha256(zeros).hexdigest()}"
    path = repacked(tmp_path / "bomb", lambda parts: parts.update({name: zeros}), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(CastError, match="unpacks to too much"):
        read_character(path)


def test_a_bomb_of_many_parts_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_CHARACTER_MEGABYTES", "1")
    many = {f"pictures/{hashlib.sha256(data).hexdigest()}": data for data in (bytes([n]) * 200_000 for n in range(9))}
    path = repacked(tmp_path / "bomb", lambda parts: parts.update(many), zipfile.ZIP_DEFLATED)
    with pytest.raises(CastError, match="unpacks to too much"):
        read_character(path)


def test_a_manifest_bomb_is_stopped(tmp_path: Path) -> None:
    path = repacked(tmp_path / "bomb", lambda parts: parts.update({MANIFEST: b" " * 5_000_000}), zipfile.ZIP_DEFLATED)
    with pytest.raises(CastError, match="unpacks to too much"):
        read_character(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_an_upper_bound_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(CastError, match="compressed in a way"):
        read_character(repacked(tmp_path / "bad", lambda parts: None, method))


def test_too_many_parts_are_refused(tmp_path: Path) -> None:
    many = {f"pictures/{number:064x}": b"" for number in range(4001)}
    with pytest.raises(CastError, match="at most 4000"):
        read_character(repacked(tmp_path / "bad", lambda parts: parts.update(many)))


def test_a_file_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_CHARACTER_MEGABYTES", "0.001")
    (tmp_path / "ann").write_bytes(pack_character(ANN))
    with pytest.raises(CastError, match="too large"):
        read_character(tmp_path / "ann")


def test_a_changed_picture_is_refused(tmp_path: Path) -> None:
    name = f"pictures/{hashlib.sha256(picture(1)).hexdigest()}"
    path = repacked(tmp_path / "bad", lambda parts: parts.update({name: picture(9)}))
    with pytest.raises(CastError, match="was changed"):
        read_character(path)


def test_a_missing_part_is_refused(tmp_path: Path) -> None:
    name = f"pictures/{hashlib.sha256(picture(1)).hexdigest()}"
    path = repacked(tmp_path / "bad", lambda parts: parts.pop(name) and None)
    with pytest.raises(CastError, match=f"part {name} is missing"):
        read_character(path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(pack_character(CharacterRecord("Ann", references=(ReferenceRecord(b"junk"),))))
    with pytest.raises(PictureError, match="picture 1 in"):
        read_character(tmp_path / "bad")


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    record = CharacterRecord("Ann", references=(ReferenceRecord(picture(1), mask=picture(2, width=25)),))
    (tmp_path / "bad").write_bytes(pack_character(record))
    with pytest.raises(CastError, match=r"25 x 32 pixels.*24 x 32"):
        read_character(tmp_path / "bad")


def test_a_mask_that_shows_nobody_is_refused(tmp_path: Path) -> None:
    black = encode_png(Image.new("L", (24, 32)))
    record = CharacterRecord("Ann", references=(ReferenceRecord(picture(1), mask=black),))
    (tmp_path / "bad").write_bytes(pack_character(record))
    with pytest.raises(PictureError, match=r"the mask of picture .* has no white"):
        read_character(tmp_path / "bad")


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    record = CharacterRecord("Ann", identities=(IdentityRecord("any-story", "w", "", b"\x80\x04junk"),))
    (tmp_path / "bad").write_bytes(pack_character(record))
    with pytest.raises(CastError, match="'any-story' is damaged"):
        read_character(tmp_path / "bad")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"version": 2}, "'version'"),
        ({"format": "zip"}, "'format'"),
        ({"colour": "red"}, "'colour'"),
        ({"name": None}, "'name'"),
        ({"aliases": [["x"] * 3]}, r"'aliases\.0'"),
    ],
)
def test_a_manifest_that_is_not_ours_is_told(tmp_path: Path, fields: dict[str, object], told: str) -> None:
    with pytest.raises(CastError, match=told) as caught:
        read_character(with_manifest(tmp_path / "bad", **fields))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(CastError, match="does not exist"):
            read_character(path)


WHOLE = pack_character(person("Ann"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut short or with bytes overwritten: the character as it was, or one of our errors; never anything else."""
    damaged = bytearray(WHOLE[: data.draw(st.integers(0, len(WHOLE)))])
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged)
    try:
        record = read_character(path)
    except InkcastError:
        return
    assert record.references == person("Ann").references
