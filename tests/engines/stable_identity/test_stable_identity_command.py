"""`inkcast identity learn`, and where its words are found again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.engines.stable_identity.people import FAME, Stare, person, picture
from typer.testing import CliRunner

from inkcast.cast.character import Identity
from inkcast.cast.identities import pack
from inkcast.cast.record import CharacterRecord, IdentityRecord, read_reference_record
from inkcast.cast.store import open_library
from inkcast.cli import app
from inkcast.cli.inputs import gather_cast
from inkcast.engines.identity import load_identity
from inkcast.engines.stable_identity import engine as module
from inkcast.engines.stable_identity.gallery import read_gallery
from inkcast.engines.stable_identity.learn import Learner
from inkcast.engines.stable_identity.weights import HomeShelf, family_of, gallery_folder
from inkcast.errors import CastError, WeightsError

OPTIONS = ("--steps", "1", "--rate", "1e-3", "--device", "cpu", "--dtype", "float32")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "famous", lambda tokenizers: FAME)
    monkeypatch.setattr(module, "find_eyes", lambda base: Stare())


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output + result.stderr


def test_a_face_learned_by_picture_is_found_by_it(tiny_base_folder: Path, tmp_path: Path) -> None:
    picture().save(tmp_path / "ann.png")
    out = tmp_path / "words.safetensors"
    code, said = run(
        "identity", "learn", "Ann Lee (she)", tmp_path / "ann.png", "--base", tiny_base_folder, *OPTIONS, "--out", out
    )  # fmt: skip
    assert (code, "learned Ann Lee for" in said) == (0, True), said
    words = load_identity(out)
    (kept,) = (tmp_path / "home" / "faces").glob("*.safetensors")
    assert torch.equal(load_identity(kept).tensors["text_encoder"], words.tensors["text_encoder"])
    assert {name: tuple(x.shape) for name, x in words.tensors.items()} == {
        "text_encoder": (1, 2, 32),
        "text_encoder_2": (1, 2, 32),
    }


def test_a_face_of_the_library_is_kept_in_it(tiny_base_folder: Path, tmp_path: Path) -> None:
    picture().save(tmp_path / "ann.png")
    with open_library() as library:
        library.add(CharacterRecord("Ann Lee", references=(read_reference_record(tmp_path / "ann.png"),)))
    assert run("identity", "learn", "ann lee", "--base", tiny_base_folder, *OPTIONS)[0] == 0
    with open_library() as library:
        ann = library.character("Ann Lee")
        (stored,) = library.record("Ann Lee").identities
    found = HomeShelf().find(ann, stored.weights_digest, "sdxl")
    assert found is not None
    assert found.weights_digest == stored.weights_digest
    assert HomeShelf().find(ann, "f" * 64, "sdxl") is None


def test_a_face_that_was_stopped_is_gone_on_with_where_that_is_asked_for(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    advance = Learner.advance

    def stopped(learner: Learner) -> float:
        taken.append(learner.step)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return advance(learner)

    monkeypatch.setattr(Learner, "advance", stopped)
    picture().save(tmp_path / "ann.png")
    learn = ("identity", "learn", "Ann", tmp_path / "ann.png", "--base", tiny_base_folder, *OPTIONS[2:], "--steps", "4")
    assert run(*learn)[0] == 130
    assert run(*learn, "--resume")[0] == 0
    assert taken == [0, 1, 2, 2, 3]
    assert list((tmp_path / "home" / "learning").iterdir()) == []
    assert run(*learn)[0] == 0
    assert taken[5:] == [0, 1, 2, 3]


def test_imported_words_are_found_for_their_family() -> None:
    digest = "imported-sd:" + "a" * 64
    words = Identity("stable-identity", digest, {"text_encoder": torch.zeros(1, 2, 1024)})
    with open_library() as library:
        library.add(CharacterRecord("Ann Lee", identities=(IdentityRecord(words.engine, digest, "", pack(words)),)))
        ann = library.character("Ann Lee")
    assert family_of(words) == "sd"
    assert family_of(Identity("stable-identity", "a" * 64)) == ""
    found = HomeShelf().find(ann, "b" * 64, "sd")
    assert found is not None
    assert found.weights_digest == digest
    assert HomeShelf().find(ann, "b" * 64, "sdxl") is None


def test_nobody_without_pictures_and_odd_settings_are_one_line(tiny_base_folder: Path) -> None:
    code, said = run("identity", "learn", "Nobody Known")
    assert code == 1
    assert "nobody in the cast library is called 'Nobody Known'" in said
    assert run("identity", "learn", "Ann", "--steps", "0")[0] == 2
    for command in (("learn", "Ann"), ("learn-gallery",)):
        code, said = run("identity", *command, "--seed", "99999999999999999", "--base", tiny_base_folder)
        assert (code, "less than or equal to 4294967295" in said) == (2, True), said
    assert HomeShelf().find(person(), "a" * 64, "sdxl") is None


def test_a_gallery_learned_in_advance_is_found_by_name_and_by_picture(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base_folder, base)
    options = ("--base", base, "--count", "2", "--steps", "1", "--device", "cpu", "--dtype", "float32")
    code, said = run("identity", "learn-gallery", *options)
    assert (code, "2 faces" in said) == (0, True), said
    folder = gallery_folder(base)
    first = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert run("identity", "learn-gallery", *options)[0] == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == first  # nobody was learned again

    members = json.loads(run("identity", "gallery", "--base", base, "--json")[1])
    assert [member["name"] for member in members] == ["Lena Moss", "Otto Brandt"]
    words = load_identity(folder / members[0]["words"])
    monkeypatch.setattr("inkcast.assets.toon_weights", lambda: base)
    (lena,) = gather_cast(["lena moss"])
    assert (lena.name, lena.pronouns) == ("Lena Moss", "she")
    found = HomeShelf(folder).find(lena, words.weights_digest, "sdxl")
    assert found is not None
    assert torch.equal(found.tensors["text_encoder"], words.tensors["text_encoder"])
    assert HomeShelf(folder).find(lena, "f" * 64, "sdxl") is None
    with pytest.raises(CastError):
        gather_cast(["nobody"])

    code, said = run("identity", "learn", "Lena Moss", "--base", base, *OPTIONS, "--out", tmp_path / "anew.safetensors")
    assert (code, "learned Lena Moss for" in said) == (0, True), said
    anew = load_identity(tmp_path / "anew.safetensors")
    found = HomeShelf(folder).find(lena, anew.weights_digest, "sdxl")
    assert found is not None
    assert torch.equal(found.tensors["text_encoder"], anew.tensors["text_encoder"])
    assert not torch.equal(found.tensors["text_encoder"], words.tensors["text_encoder"])


def test_a_stopped_gallery_goes_on_to_the_same_words(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the second face, after its third step."""
    taken: list[int] = []
    stop_at: list[int] = []
    advance = Learner.advance

    def stopped(learner: Learner) -> float:
        if len(taken) in stop_at:
            stop_at.clear()
            raise KeyboardInterrupt
        taken.append(learner.step)
        return advance(learner)

    monkeypatch.setattr(Learner, "advance", stopped)
    options = ("--base", tiny_base_folder, "--count", "3", *OPTIONS[2:], "--steps", "4")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run("identity", "learn-gallery", *options, "--out", whole)[0] == 0
    assert taken == [0, 1, 2, 3] * 3

    taken.clear()
    stop_at.append(4 + 3)
    assert run("identity", "learn-gallery", *options, "--out", cut)[0] == 130
    assert [member.name for member in read_gallery(cut)] == ["Lena Moss"]
    assert len(list((tmp_path / "home" / "learning").iterdir())) == 1
    assert run("identity", "learn-gallery", *options, "--out", cut)[0] == 0
    assert taken == [0, 1, 2, 3] * 3, "no step is taken twice"
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}
    assert read_gallery(cut) == read_gallery(whole)
    for member in read_gallery(whole):
        assert (cut / member.picture).read_bytes() == (whole / member.picture).read_bytes()
        one, other = (load_identity(folder / member.words) for folder in (cut, whole))
        assert one.weights_digest == other.weights_digest
        assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in ("text_encoder", "text_encoder_2"))
    assert list((tmp_path / "home" / "learning").iterdir()) == []


def test_a_damaged_gallery_is_refused_and_none_is_nobody(tmp_path: Path) -> None:
    assert read_gallery(tmp_path) == ()
    member = {"name": "A", "pronouns": "", "description": "", "picture": "../a.png", "words": "a.safetensors"}
    for text in ("{", '[{"name": "A"}]', json.dumps([{**member, "digest": "d"}])):
        (tmp_path / "gallery.json").write_text(text)
        with pytest.raises(WeightsError, match="learn the gallery again"):
            read_gallery(tmp_path)
