"""A panel of somebody of whom there is a face alone, somebody seen from behind, and a thing, by every engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from inkcast.assets import toon_weights
from inkcast.cast.character import Character, CharacterId, Identity, View
from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing
from inkcast.drawing.easel import open_easel
from inkcast.engines.engine import Conditioning, PanelPrompt, Style
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learning
from inkcast.events import Event, Note
from inkcast.images import Reference
from inkcast.page.layout import PageOptions
from inkcast.story.script import Panel, Presence, Script
from inkcast.toon.design import design
from inkcast.toon.renderer import reference_sheet

pytestmark = pytest.mark.slow
NAMES = ("Ann", "Ben", "Bag")
WORDS = "Ann and Ben and Bag standing in the park"
STORY = Script(panels=(Panel(description=WORDS, characters=tuple(Presence(name=name) for name in NAMES)),))
Cast = tuple[Character, Character, Character]


def character(name: str, noun: str, pixels: np.ndarray, view: View = "front") -> Character:
    picture = Reference(Image.fromarray(pixels), hashlib.sha256(pixels.tobytes()).hexdigest(), view=view)
    return Character(CharacterId(name.lower()), name, (picture,), description=noun)


def cast_of(hair: str, top: str, color: str) -> Cast:
    """Ann's face, cut out of a picture that shows all of her; Ben from behind; a bag."""
    ann = reference_sheet(design("Ann", {"kind": "girl", "hair": "long", "hair_color": hair}), 256)
    ben = reference_sheet(design("Ben", {"kind": "boy", "top": top}), 256, "back")
    bag = reference_sheet(design("Bag", {"kind": "bag", "color": color, "trim": "yellow"}), 256)
    assert ann.actors[0].face is not None
    x0, y0, x1, y1 = ann.actors[0].face
    margin = (x1 - x0) // 3
    face = ann.image[y0 - margin : y1 + margin, x0 - margin : x1 + margin]
    return (
        character("Ann", "a girl", face, "close-up"),
        character("Ben", "a boy", ben.image, "back"),
        character("Bag", "a bag", bag.image),
    )


@dataclass(frozen=True)
class Drawn:
    panel: bytes
    conditioning: Conditioning
    notes: list[str]


class Watched:
    """An engine that stays loaded over the embedded base: what it told, and what each picture was drawn with."""

    def __init__(self, engine: str, out: Path) -> None:
        self.heard: list[Event] = []
        self.asked: list[Conditioning] = []
        self.out = out
        drawing = Drawing(engine=engine, steps=2, device="cpu", dtype="float32", seed=1)
        self.easel = open_easel(drawing, self.heard.append)
        if isinstance(self.easel.engine, StableIdentity):
            self.easel.engine.learning = Learning(steps=2, views=2)
        condition = self.easel.engine.condition

        def kept(panel: PanelPrompt, cast: dict[CharacterId, Identity], style: Style) -> Conditioning:
            self.asked.append(condition(panel, cast, style))
            return self.asked[-1]

        self.easel.engine.condition = kept  # type: ignore[method-assign,assignment]

    def draw(self, cast: Cast) -> Drawn:
        self.heard.clear()
        draw_comic(
            STORY, cast, self.easel.drawing, self.out, page=PageOptions(dpi=40), overwrite=True,
            report=self.heard.append, easel=lambda drawing, report: self.easel,
        )  # fmt: skip
        notes = [event.text for event in self.heard if isinstance(event, Note)]
        return Drawn((self.out / "panel-01.png").read_bytes(), self.asked[-1], notes)


def tokens(engine: str, drawn: Drawn) -> dict[str, list[Tensor]]:
    """What the attention layers read of each of the three, all layers together."""
    memory = drawn.conditioning.positive
    if engine == "any-story":
        kinds = {"tokens": memory.subjects, "details": memory.reference}
        return {
            kind: [torch.cat([kv.key[:, n].flatten() for kv in layers.values()]) for n in range(3)]
            for kind, layers in kinds.items()
        }
    blocks = {"story-maker": 4, "ip-adapter": 3}[engine]  # story-maker's first block is the background's
    chunks = [kv.key.chunk(blocks, dim=2)[-3:] for kv in memory.subjects.values()]
    return {"tokens": [torch.cat([layer[n].flatten() for layer in chunks]) for n in range(3)]}


def first_word_that_differs(one: Drawn, other: Drawn) -> int:
    differs = (one.conditioning.prompt.positive != other.conditioning.prompt.positive).any(-1)
    return int(differs[0].nonzero()[0])


NOTES: dict[str, list[str]] = {
    "any-story": [],
    "ip-adapter": [],
    "story-maker": [
        f"no face was found in the references of {name}: keeping hair, clothes and body only" for name in ("Ben", "Bag")
    ],
    "stable-identity": [
        f"{name}, picture 1: no face found: learning from the whole subject" for name in ("Ben", "Bag")
    ],
}
"""Nothing of her whose face was found, and nothing by engines that look for none."""


@pytest.mark.parametrize("engine", NOTES)
def test_a_face_a_back_and_a_thing_are_each_drawn_after_their_own_picture(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (toon_weights() / "engines" / engine).is_dir():
        pytest.skip(f"the toon base has no {engine}")
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    watched = Watched(engine, tmp_path / "out")
    cast, others = cast_of("black", "red", "blue"), cast_of("blond", "green", "purple")
    drawn = watched.draw(cast)
    assert drawn.notes == NOTES[engine]
    assert watched.draw(cast).panel == drawn.panel
    for number in range(3):
        changed = watched.draw((*cast[:number], others[number], *cast[number + 1 :]))  # type: ignore[arg-type]
        assert changed.panel != drawn.panel, NAMES[number]
        if engine == "stable-identity":  # two words each, after the start and with an "and" between
            assert first_word_that_differs(drawn, changed) == 1 + 3 * number
            continue
        before, after = tokens(engine, drawn), tokens(engine, changed)
        for kind in before:
            differing = [not torch.equal(a, b) for a, b in zip(before[kind], after[kind], strict=True)]
            assert differing == [n == number for n in range(3)], (NAMES[number], kind)
