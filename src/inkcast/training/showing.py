"""What engines draw while they train: unseen drawn characters, or of stored data the first samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from inkcast.cast.character import Character, CharacterId
from inkcast.drawing.easel import usual
from inkcast.engines.engine import Engine, Member, PanelPrompt, Style
from inkcast.images import Reference
from inkcast.sampling.sampler import DrawSettings, Step, draw
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.dataset import sample_look
from inkcast.toon.world import Look
from inkcast.training.objective import Source, generator
from inkcast.training.subjects import SHOWN_PANELS

STORED = 4


@dataclass(frozen=True)
class ShownPanel:
    """`words` about whoever the `references` show, each by a name of `names`; `target` is a picture of the words."""

    words: str
    names: Sequence[str]
    references: Sequence[Reference]
    target: UInt8[np.ndarray, "side side 3"] | None = None


def reference_of(picture: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Reference:
    return Reference(Image.fromarray(picture), "", mask=Image.fromarray(mask.astype(np.uint8) * 255))


def drawn_panels(seed: int, seen: Callable[[Look, np.random.Generator], Reference]) -> tuple[ShownPanel, ...]:
    """Unseen characters of `SHOWN_PANELS`, each as `seen` shows it."""
    panels = []
    for number, (kinds, doing) in enumerate(SHOWN_PANELS):
        rng = generator(seed, "shown", number)
        references = [seen(sample_look(rng, "validation", kind), rng) for kind in kinds]
        panels.append(ShownPanel(f"{' and '.join(f'a {kind}' for kind in kinds)} {doing}", kinds, references))
    return tuple(panels)


def stored_panels(source: Source, tokenizer: Any, count: int = STORED) -> tuple[ShownPanel, ...]:
    """The first `count` samples that show somebody, as they are trained on; looks at ten times as many at most."""
    found: list[ShownPanel] = []
    for index in range(10 * count):
        sample = source[index]
        places = sample["present"].nonzero().flatten().tolist()
        if places:
            words = tokenizer.decode(sample["tokens"], skip_special_tokens=True).strip()
            pictures, masks = sample["references"], sample["reference_masks"].numpy() > 0.5
            seen = [reference_of(_bytes(pictures[place]), masks[place]) for place in places]
            found.append(ShownPanel(words, ["subject"] * len(seen), seen, _bytes(sample["picture"])))
        if len(found) == count:
            break
    return tuple(found)


def shown_settings(
    engine: Engine, base: Backbone, seed: int, *, steps: int | None = None, guidance: float | None = None
) -> DrawSettings:
    """As `inkcast make` draws with the engine on that base, but for what a recipe says."""
    said = {"steps": steps, "guidance": guidance}
    known: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return replace(usual(engine, base), seed=seed, **known)


def shown_column(
    base: Backbone,
    engine: Engine,
    panel: ShownPanel,
    settings: DrawSettings,
    on_step: Callable[[Step], None] | None = None,
) -> UInt8[np.ndarray, "h side 3"]:
    """The references side by side, below them the target if there is one, and what the engine draws."""
    members = tuple(Member(CharacterId(f"shown/{n}"), name, f"a {name}") for n, name in enumerate(panel.names))
    cast = {
        member.id: engine.encode(Character(member.id, member.name, (reference,)))
        for member, reference in zip(members, panel.references, strict=True)
    }
    side = base.side
    with torch.no_grad(), engine.active():
        conditioning = engine.condition(PanelPrompt((panel.words,), members), cast, Style())
        drawn = np.asarray(draw(base, conditioning, settings, on_step=on_step)[0])
    strip = np.concatenate([np.asarray(reference.image.convert("RGB")) for reference in panel.references], axis=1)
    rows = [np.asarray(Image.fromarray(strip).resize((side, side // 2)))]
    rows += [] if panel.target is None else [np.asarray(Image.fromarray(panel.target).resize((side, side)))]
    return np.concatenate([*rows, drawn])


def _bytes(picture: Float[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return (picture * 255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
