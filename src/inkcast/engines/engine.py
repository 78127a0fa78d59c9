"""What every method offers: an identity once per character, a conditioning once per panel.

A method comes down to what the text encoders read (`Conditioning.prompt`) and what the attention layers read
(`Conditioning.negative`, `.positive`). Weights are loaded by a factory named in `registry`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.settings import Settings
from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue, Layer, Size
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.prompts import PromptEmbeds
from inkcast.story.script import Box

if TYPE_CHECKING:
    from PIL import Image

    from inkcast.cast.store import CastLibrary


@dataclass(frozen=True)
class Style:
    """A way of drawing: `prompt` is appended to the panel's words, `negative` is what to keep away from."""

    name: str = ""
    prompt: str = ""
    negative: str = ""


@dataclass(frozen=True)
class Member:
    """A cast member in one panel. `noun` is what a prompt calls them ("a girl"); `box` and `mask` (mode "L", 255 = may
    stand there) ask for a place; `state` names the outfit or age that the panel shows them in (empty: the usual one).
    """

    id: CharacterId
    name: str
    noun: str
    box: Box | None = None
    state: str = ""
    mask: Image.Image | None = None


@dataclass(frozen=True)
class PanelPrompt:
    """One panel's words with the cast marked in them: `parts` alternate plain text and members' ids.

    `wording` turns it into a prompt; methods with words of their own for a character pass them as `names`.
    `settings` are the script's for this panel (e.g. `subject_scale`), members in them under their names.
    """

    parts: tuple[str | CharacterId, ...]
    members: tuple[Member, ...] = ()
    settings: Settings = field(default_factory=dict)

    def wording(self, style: Style, names: Mapping[CharacterId, str] | None = None) -> str:
        """The prompt: each member's mention becomes `names[id]`, else their noun; then the style's words."""
        words = {member.id: member.noun for member in self.members} | dict(names or {})
        text = "".join(words.get(CharacterId(part), part) for part in self.parts)
        return ", ".join(piece for piece in (text.strip(), style.prompt) if piece)


@dataclass(frozen=True)
class Conditioning:
    """All that one panel's sampling loop reads; each memory has one row."""

    prompt: PromptEmbeds
    negative: AttentionMemory
    positive: AttentionMemory


class Engine(Protocol):
    """A method over one loaded base. `active` brackets everything from `condition` to the last step (LoRA in, out)."""

    name: ClassVar[str]

    def encode(self, character: Character) -> Identity:
        """Once per character; CPU tensors, with the digest of the weights that made them."""
        ...

    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        """Once per panel, inside `active()`; `cast` holds at least the panel's members."""
        ...

    def active(self) -> AbstractContextManager[None]: ...


class Chart(Protocol):
    """A picture of how one panel was routed, layer by layer."""

    def see(self, step: int, steps: int, trace: AttentionTrace, latent_size: Size) -> None:
        """After step number `step`, from 0, of `steps`, before the trace is emptied."""
        ...

    def picture(self) -> Image.Image | None:
        """None where nothing routed."""
        ...


@runtime_checkable
class Charting(Protocol):
    """What an engine that routes offers beside `Engine`."""

    def chart(self, steps: Sequence[int] = ()) -> Chart:
        """Blank, for one panel; of these steps, from 1, or of some that the engine chooses."""
        ...


@runtime_checkable
class Refusing(Protocol):
    """What an engine offers beside `Engine` that cannot draw every panel."""

    def refuse(self, panel: PanelPrompt) -> None:
        """Raises `EngineError`, as `condition` does, for a panel that it cannot draw; nobody need be encoded for it."""
        ...


@runtime_checkable
class Meeting(Protocol):
    """What an engine offers beside `Engine` whose panels may name anybody of the cast."""

    def meet(self, character: Character) -> None: ...


@runtime_checkable
class Keeping(Protocol):
    """What an engine offers beside `Engine` that keeps by itself what it made of characters, since that took long."""

    def keeping(self, home: Path, library: Callable[[], AbstractContextManager[CastLibrary] | None]) -> Engine:
        """The same engine, which keeps it in another home folder and library."""
        ...


def introduce(engine: Engine, cast: Iterable[Character]) -> None:
    """Tells an engine who there is, also those whose identities were made before."""
    if isinstance(engine, Meeting):
        for character in cast:
            engine.meet(character)


@dataclass(frozen=True)
class TrainingBatch:
    """Training pictures as tensors on the engine's device; pictures in [0, 1], masks 0 or 1, subjects padded.

    `references` are whole pictures, `reference_masks` cut the subject out; `masks` are the subjects' instances in the
    target picture. `text` is the encoded caption. `drop` marks rows whose subject conditioning becomes unconditional.
    `extra` holds what one method needs alone (e.g. "face_embeds", "kps"); names are the method's own.
    """

    text: Float[Tensor, "rows tokens channels"]
    references: Float[Tensor, "rows subjects 3 height width"]
    reference_masks: Float[Tensor, "rows subjects height width"]
    masks: Float[Tensor, "rows subjects target_height target_width"]
    present: Bool[Tensor, "rows subjects"]
    drop: Bool[Tensor, " rows"]
    latent_size: Size
    extra: Mapping[str, Tensor] = field(default_factory=dict)


class Trainee(Protocol):
    """The training side of an engine whose losses come through the UNet; the trainer runs the UNet with the memory."""

    def trainable(self) -> Mapping[str, nn.Module]:
        """Modules whose parameters the optimiser gets, by name."""
        ...

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        """As many rows as the batch, with gradients."""
        ...

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        """Weighted extra terms beside the diffusion loss, by name; empty where the method has none."""
        ...


def rows(conditioning: Conditioning, batch: int, latent_size: Size) -> AttentionMemory:
    """Memory for `batch` pictures of one panel: rows [negative * batch, positive * batch], fitted to the latents' size.

    It serves a UNet batch of 2 * batch (guidance on) and of batch (guidance off or ended: the positive half). Subjects
    or reference columns that only one row has are off in the other. Router, gate and regions are the positive row's.
    """
    negative, positive = conditioning.negative, conditioning.positive
    if negative.text.keys() != positive.text.keys():
        raise EngineError("the negative prompt's keys and values are of other layers than the prompt's: project both")
    memory = replace(
        positive,
        text=_both(negative.text, positive.text, batch),
        subjects=_both(negative.subjects, positive.subjects, batch),
        reference=_both(negative.reference, positive.reference, batch),
        subject_scale=_per_row(
            negative.subject_scale if negative.subjects or not positive.subjects else 0.0,
            positive.subject_scale if positive.subjects or not negative.subjects else 0.0,
            batch,
            like=conditioning.prompt.positive,
        ),
        reference_bias=_per_row(
            negative.reference_bias if negative.reference or not positive.reference else -math.inf,
            positive.reference_bias if positive.reference or not negative.reference else -math.inf,
            batch,
            like=conditioning.prompt.positive,
        ),
        regions=_twice(positive.regions, batch),
        present=_twice(positive.present, batch),
        guided=True,
    )
    return fit(memory, latent_size)


def _both(
    negative: Mapping[Layer, KeyValue], positive: Mapping[Layer, KeyValue], batch: int
) -> Mapping[Layer, KeyValue]:
    merged = {}
    for layer in {**negative, **positive}:
        off = negative[layer] if layer in negative else positive[layer]
        zeros = KeyValue(torch.zeros_like(off.key), torch.zeros_like(off.value))
        pair = (negative.get(layer, zeros), positive.get(layer, zeros))
        if pair[0].key.shape != pair[1].key.shape or pair[0].key.shape[0] != 1:
            raise EngineError(
                f"the guidance rows of {layer} do not fit each other: {tuple(pair[0].key.shape)} and "
                f"{tuple(pair[1].key.shape)}; a conditioning has one row each, with equally many tokens"
            )
        merged[layer] = KeyValue(
            torch.cat([_repeated(row.key, batch) for row in pair]),
            torch.cat([_repeated(row.value, batch) for row in pair]),
        )
    return merged


def _repeated(x: Tensor, batch: int) -> Tensor:
    return x.expand(batch, *x.shape[1:])


def _twice(x: Tensor | None, batch: int) -> Tensor | None:
    return None if x is None else _repeated(x, 2 * batch)


def _per_row(negative: float | Tensor, positive: float | Tensor, batch: int, like: Tensor) -> float | Tensor:
    """One number where both rows agree, else one per row (and subject, where either tells them apart)."""
    if not isinstance(negative, Tensor) and not isinstance(positive, Tensor) and negative == positive:
        return positive
    pair = [torch.as_tensor(x, dtype=like.dtype, device=like.device).reshape(1, -1) for x in (negative, positive)]
    width = max(x.shape[1] for x in pair)
    both = torch.cat([x.expand(-1, width) for x in pair]).repeat_interleave(batch, dim=0)
    return both.flatten() if width == 1 else both
