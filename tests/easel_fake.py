"""A fake at the easel's seam: an engine that counts its calls and a picture that shows what it was asked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import torch
from PIL import Image

from inkcast.cast.character import Character, CharacterId, Identity, Reference
from inkcast.drawing.choices import Drawing, Origin
from inkcast.drawing.planning import PlannedPanel
from inkcast.drawing.routes import Painted
from inkcast.engines.engine import Conditioning, PanelPrompt, Style
from inkcast.events import Report
from inkcast.page.panel import DrawnPanel, Figure
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.prompts import PromptEmbeds


class FakeEngine:
    name: ClassVar[str] = "fake"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.is_active = False

    def encode(self, character: Character) -> Identity:
        self.calls[f"encode {character.name}"] += 1
        return Identity(self.name, "engine", {"picture": torch.tensor(character.references[0].image.getpixel((0, 0)))})

    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        assert self.is_active
        self.calls["condition"] += 1
        seen = [cast[member.id].tensors["picture"].tolist() for member in panel.members]
        digest = hashlib.sha256(f"{panel.wording(style)}|{style.negative}|{seen}".encode()).digest()
        words = torch.tensor(list(digest[:8]), dtype=torch.float32).reshape(1, 1, 8)
        return Conditioning(PromptEmbeds(words, words, None, None), AttentionMemory(), AttentionMemory())

    @contextmanager
    def active(self) -> Iterator[None]:
        self.is_active = True
        yield
        self.is_active = False


class FakeEasel:
    """Its pictures depend on prompt, identities and seed; the first member stands in the left half."""

    side = 64
    toon = True
    sight: tuple[str, ...] = ()

    def __init__(self, drawing: Drawing, base: str = "base") -> None:
        self.drawing = Drawing(
            **{**vars(drawing), "engine": "fake", "steps": drawing.steps or 25, "device": "cpu", "dtype": "float32"}
        )
        self.engine = FakeEngine()
        self.origin = Origin("sdxl", base, "engine")

    def check(self, plan: Sequence[PlannedPanel]) -> None:
        self.plan = tuple(plan)

    def draw(self, conditioning: Conditioning, panel: PlannedPanel, step: Callable[[int], None]) -> Painted:
        assert self.engine.is_active
        for done in range(self.drawing.steps):
            step(done + 1)
        width, height = panel.size
        words = conditioning.prompt.positive.flatten().int().tolist()
        noise = np.random.default_rng([panel.seed, *words]).integers(0, 255, (height, width, 3), dtype=np.uint8)
        boxes = (0, 0, width // 2, height), (width // 2, 0, width, height)
        figures = tuple(Figure(one.name, box) for one, box in zip(panel.prompt.members, boxes, strict=False))
        return Painted(DrawnPanel(Image.fromarray(noise), figures))


class FakeEasels:
    """Opens fake easels and remembers the last."""

    def __init__(self, base: str = "base") -> None:
        self.base = base
        self.last: FakeEasel | None = None

    def __call__(self, drawing: Drawing, report: Report) -> FakeEasel:
        self.last = FakeEasel(drawing, self.base)
        return self.last

    @property
    def calls(self) -> Counter[str]:
        assert self.last is not None
        return self.last.engine.calls


def character(name: str, colour: str, pronouns: str = "", **more: object) -> Character:
    image = Image.new("RGB", (32, 32), colour)
    reference = Reference(image, hashlib.sha256(image.tobytes()).hexdigest(), source=f"{name}.png")
    return Character(CharacterId(f"id-{name}"), name, (reference,), pronouns, **more)
