"""StoryMaker without one of its parts, to show what the part is for: no background tokens, no LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.engine import Conditioning, PanelPrompt, Style, TrainingBatch
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.engines.story_maker.trainee import StoryMakerTrainee
from inkcast.engines.story_maker.weights import Adapter
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue
from inkcast.sdxl.fitting import fit


def people_alone(memory: AttentionMemory, tokens: int) -> AttentionMemory:
    """The memory without the background's block, which comes first and has `tokens` tokens."""
    subjects = {
        layer: KeyValue(kv.key[:, :, tokens:], kv.value[:, :, tokens:]) for layer, kv in memory.subjects.items()
    }
    regions = None if memory.regions is None else memory.regions[:, 1:]
    present = None if memory.present is None else memory.present[:, 1:]
    return replace(memory, subjects=subjects, regions=regions, present=present, region_maps={})


@dataclass(frozen=True)
class WithoutBackground:
    """Training with people's tokens alone; the loss on attention maps then has nothing to say of the background."""

    trainee: StoryMakerTrainee

    def trainable(self) -> Mapping[str, nn.Module]:
        return self.trainee.trainable()

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        return fit(people_alone(self.trainee.memory(batch), self._tokens), batch.latent_size)

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        """As with a background that nobody looks at."""
        seen = AttentionTrace(record_attention=True)
        seen.attention = {layer: F.pad(x, (self._tokens, 0)) for layer, x in trace.attention.items()}
        return self.trainee.losses(batch, seen)

    @property
    def _tokens(self) -> int:
        return self.trainee.adapter.image_proj_model.size.tokens


@dataclass(frozen=True)
class PeopleAlone:
    """The engine that draws with what `WithoutBackground` trained."""

    name: ClassVar[str] = StoryMaker.name
    engine: StoryMaker

    @property
    def digest(self) -> str:
        return f"{self.engine.digest} without background"

    def encode(self, character: Character) -> Identity:
        return self.engine.encode(character)

    def condition(self, panel: PanelPrompt, cast: Mapping[CharacterId, Identity], style: Style) -> Conditioning:
        made = self.engine.condition(panel, cast, style)
        tokens = self.engine.adapter.image_proj_model.size.tokens
        return replace(made, negative=people_alone(made.negative, tokens), positive=people_alone(made.positive, tokens))

    def active(self) -> AbstractContextManager[None]:
        return self.engine.active()


def freeze(adapter: Adapter, *, background: bool, lora: bool) -> None:
    """Keeps what an ablation leaves out as it starts: LoRA at nothing, the background's tokens unread."""
    if not background:
        adapter.image_proj_model.bg_embed.requires_grad_(False)
    if not lora:
        for name, parameter in adapter.named_parameters():
            if "_lora." in name:
                parameter.requires_grad_(False)
