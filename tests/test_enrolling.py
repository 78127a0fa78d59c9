"""Identities kept with the characters of the library: used where they fit to the bit, made anew where they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from sqlmodel import select
from tests.easel_fake import FakeEasel, FakeEasels, character

from inkcast.assets import toon_weights
from inkcast.cast.character import Character, Identity
from inkcast.cast.identities import pack, unpack
from inkcast.cast.record import CharacterRecord, read_reference_record
from inkcast.cast.store import open_library
from inkcast.cast.tables import IdentityRow
from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing, Origin
from inkcast.drawing.easel import open_easel
from inkcast.drawing.enrolling import LibraryShelf, circumstances, enrol, sight_of
from inkcast.engines.engine import Member, PanelPrompt
from inkcast.errors import CastError
from inkcast.events import Event, Note
from inkcast.page.layout import PageOptions

SMALL = PageOptions(dpi=40)
QUICK = Drawing(steps=1)
COLOURS = ("red", "blue", "teal", "gray")


@pytest.fixture
def mona(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Character:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "mona.png")
    with open_library() as library:
        library.add(CharacterRecord("Mona", references=(read_reference_record(tmp_path / "mona.png"),)))
        return library.character("Mona")


@pytest.fixture
def draw(mona: Character, tmp_path: Path) -> Callable[..., tuple[FakeEasels, bytes, list[Event]]]:
    """Draws a panel of Mona; answers with the easels, the panel's file and what was reported."""

    def run(change: Callable[[FakeEasel], None] = lambda easel: None, **more: object) -> tuple[FakeEasels, bytes, list]:
        easels, heard = FakeEasels(), []

        def opened(drawing: Drawing, report: Callable[[Event], None]) -> FakeEasel:
            change(easel := easels(drawing, report))
            return easel

        out = tmp_path / "out"
        options = {"shelf": LibraryShelf(), "easel": opened, "report": heard.append, "page": SMALL} | more
        draw_comic("Mona waves.", [mona], QUICK, out, overwrite=True, **options)  # type: ignore[arg-type]
        return easels, (out / "panel-01.png").read_bytes(), [event.text for event in heard if isinstance(event, Note)]

    return run


def test_the_second_comic_takes_the_kept_identity_and_is_the_same(draw: Callable) -> None:
    first, fresh, _ = draw()
    second, kept, _ = draw()
    assert (first.calls["encode Mona"], second.calls["encode Mona"]) == (1, 0)
    assert kept == fresh


def other_weights(easel: FakeEasel) -> None:
    easel.origin = Origin("sdxl", "base", "other weights")
    encode = easel.engine.encode
    easel.engine.encode = lambda one: replace(encode(one), weights_digest="other weights")  # type: ignore[method-assign]


def other_base(easel: FakeEasel) -> None:
    easel.origin = Origin("sdxl", "other base", "engine")


def other_precision(easel: FakeEasel) -> None:
    easel.drawing = replace(easel.drawing, dtype="bfloat16")


def other_eyes(easel: FakeEasel) -> None:
    easel.sight = ("detector/model.safetensors 5 9",)


@pytest.mark.parametrize("change", [other_weights, other_base, other_precision, other_eyes])
def test_what_would_make_another_identity_encodes_anew(draw: Callable, change: Callable) -> None:
    draw()
    assert draw(change)[0].calls["encode Mona"] == 1
    assert draw(change)[0].calls["encode Mona"] == 0


def test_only_the_newest_of_one_engines_weights_is_kept(draw: Callable, mona: Character) -> None:
    for change in (other_precision, other_base, other_weights):
        draw(change)
    with open_library() as library:
        kept = library.entry("Mona").identities
    assert [one.weights_digest.partition(":")[0] for one in kept] == ["engine", "other weights"]


def test_other_pictures_encode_anew(draw: Callable, mona: Character, tmp_path: Path) -> None:
    draw()
    Image.new("RGB", (64, 64), "gold").save(tmp_path / "side.png")
    with open_library() as library:
        library.add(extending=[CharacterRecord("Mona", references=(read_reference_record(tmp_path / "side.png"),))])
        changed = library.character("Mona")
        assert LibraryShelf().find(changed, FakeEasels()(QUICK, print), print) is None
        assert LibraryShelf().find(mona, FakeEasels()(QUICK, print), print) is not None


@pytest.mark.parametrize("damage", [lambda data: b"junk", lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_a_damaged_identity_is_made_anew_and_said(draw: Callable, damage: Callable[[bytes], bytes]) -> None:
    _, fresh, _ = draw()
    with open_library() as library, library._database.writing() as session:
        row = session.exec(select(IdentityRow)).one()
        row.tensors = damage(row.tensors)
        session.add(row)
    again, repaired, notes = draw()
    assert again.calls["encode Mona"] == 1
    assert repaired == fresh
    (note,) = notes
    assert note.startswith("Mona is encoded again: ")
    assert "damaged" in note
    assert draw()[0].calls["encode Mona"] == 0


def test_without_a_shelf_or_a_library_everything_is_encoded(draw: Callable, tmp_path: Path) -> None:
    assert draw(shelf=None)[0].calls["encode Mona"] == 1
    with open_library() as library:
        assert library.entry("Mona").identities == ()
        library.remove("Mona")
    assert draw()[0].calls["encode Mona"] == 1
    (tmp_path / "home" / "cast.sqlite3").unlink()
    assert draw()[0].calls["encode Mona"] == 1
    assert not (tmp_path / "home" / "cast.sqlite3").exists()


def test_an_engine_hears_who_there_is_though_nobody_is_encoded(draw: Callable, mona: Character) -> None:
    met: list[Character] = []
    draw()
    again, _, _ = draw(lambda easel: setattr(easel.engine, "meet", met.append))
    assert again.calls["encode Mona"] == 0
    assert met == [mona]


def test_values_that_were_changed_are_no_identity() -> None:
    data = bytearray(pack(Identity("e", "w", {"x": torch.arange(4.0)})))
    assert torch.equal(unpack(bytes(data), "e", "w").tensors["x"], torch.arange(4.0))
    data[-2] ^= 64
    with pytest.raises(CastError, match="changed"):
        unpack(bytes(data), "e", "w")


@pytest.mark.parametrize("engine", ["any-story", "story-maker", "ip-adapter"])
def test_a_kept_identity_draws_the_same_picture_to_the_bit(
    engine: str, mona: Character, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not (toon_weights() / "engines" / engine).is_dir():
        pytest.skip(f"the toon base has no {engine}")
    pictures = []
    chosen = replace(QUICK, engine=engine, steps=2)
    easel = open_easel(chosen, print)
    monkeypatch.setattr(easel.engine, "encode", counted := Counted(easel.engine.encode))
    for shelf in (None, LibraryShelf(), LibraryShelf()):
        draw_comic(
            "Mona waves.", [mona], chosen, tmp_path / "out", page=SMALL, overwrite=True, shelf=shelf,
            easel=lambda drawing, report: easel,
        )  # fmt: skip
        pictures.append((tmp_path / "out" / "panel-01.png").read_bytes())
    assert pictures[1] == pictures[0]
    assert pictures[2] == pictures[0]
    assert counted.calls == 2


class Counted:
    def __init__(self, function: Callable[[Character], Identity]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, character: Character) -> Identity:
        self.calls += 1
        return self.function(character)


def test_circumstances_follow_the_files_that_look_at_references(tmp_path: Path) -> None:
    class Base:
        folder = tmp_path

    before = sight_of(Base())  # type: ignore[arg-type]
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "net.onnx").write_bytes(b"1")
    after = sight_of(Base())  # type: ignore[arg-type]
    assert after != before
    easel = FakeEasels()(QUICK, print)
    same = circumstances(easel)
    easel.sight = after
    assert circumstances(easel) != same


def test_who_only_lends_clothes_or_looks_is_encoded_too() -> None:
    """StoryMaker's panels may borrow from somebody who is in none of them."""
    names = ("Ann", "Ben", "Eva", "Tom")
    ann, ben, eva, tom = (character(name, colour) for name, colour in zip(names, COLOURS, strict=True))
    settings = {"clothes.Ann": "BEN", "blend.Ann": "Eva", "blend_weight.Ann": 0.5}
    prompt = PanelPrompt((ann.id, " waves"), (Member(ann.id, "Ann", "a girl"),), settings)
    plan: Any = [SimpleNamespace(prompt=prompt)]
    easel = FakeEasel(QUICK)
    for engine, encoded in (("story-maker", [ann, ben, eva]), ("stable-identity", [ann])):
        easel.drawing = replace(easel.drawing, engine=engine)
        found = enrol(easel, plan, [ann, ben, eva, tom], lambda event: None)  # type: ignore[arg-type]
        assert list(found) == [one.id for one in encoded], engine
