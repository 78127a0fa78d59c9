"""What every method offers: an identity once per character, a conditioning once per panel.

A method comes down to what the text encoders read (`Conditioning.prompt`) and what the attention layers read
(`Conditioning.negative`, `.positive`). Weights are loaded by a factory named in `registry`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from jaxtyping import Bool, Float
from torch import Tensor, nn

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, Size
from inkcast.sdxl.backbone import PromptEmbeds
from inkcast.story.script import Box

Setting = str | int | float | bool


@dataclass(frozen=True)
class Style:
    """A way of drawing: `prompt` is appended to the panel's words, `negative` is what to keep away from."""

    name: str = ""
    prompt: str = ""
    negative: str = ""


@dataclass(frozen=True)
class Member:
    """A cast member in one panel. `noun` is what a prompt calls them ("a girl"); `box` asks for a place."""

    id: CharacterId
    name: str
    noun: str
    box: Box | None = None


@dataclass(frozen=True)
class PanelPrompt:
    """One panel's words with the cast marked in them: `parts` alternate plain text and members' ids.

    `wording` turns it into a prompt; methods with words of their own for a character pass them as `names`.
    `settings` are the script's per-panel engine settings (e.g. `subject_scale`).
    """

    parts: tuple[str | CharacterId, ...]
    members: tuple[Member, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)

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
    """Memory for `batch` pictures of one panel: rows [negative * batch, positive * batch].

    It serves a UNet batch of 2 * batch (guidance on) and of batch (guidance off or ended: the positive half).
    """
    raise NotImplementedError


def box_regions(members: Sequence[Member], side: int = 64) -> Float[Tensor, "1 subjects side side"] | None:
    """The members' boxes as masks, 1 everywhere for a member without one; None if nobody has a box."""
    raise NotImplementedError
