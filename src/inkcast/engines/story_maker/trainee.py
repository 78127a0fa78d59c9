"""StoryMaker's training side: what the frozen base reads, and the loss on its attention maps (sections 4.5 to 4.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from inkcast.engines.engine import TrainingBatch
from inkcast.engines.story_maker.eyes import Eyes
from inkcast.engines.story_maker.losses import WEIGHT, LossForm, attention_loss
from inkcast.engines.story_maker.weights import Adapter
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit, resolutions
from inkcast.sdxl.layers import project_text

FACES, EMBEDDINGS, SEEN = "faces", "face_embeds", "face_present"
NO_CROP, NO_FACE, NO_CHARACTER = "drop_crop", "zero_face", "zero_character"


@dataclass(frozen=True)
class StoryMakerTrainee:
    """Trains perceiver, image keys and values, and LoRA (which the caller keeps `lora.beside` the UNet).

    Of `TrainingBatch.extra` it reads, per row and subject: `faces` (upright, in [0, 1]), `face_embeds`,
    `face_present`; per row: `drop_crop` (F_character becomes zero, section 5.1.2), `zero_face` and `zero_character`
    (E_1 or E_2 becomes zero, so that faces or clothes alone can be asked for). `drop` makes all features zero, which is
    the negative guidance row. `weight` is lambda of eq. 12; 0 leaves the loss out.
    """

    base: Backbone
    eyes: Eyes
    adapter: Adapter
    weight: float = WEIGHT
    form: LossForm = "paper"

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"image_proj_model": self.adapter.image_proj_model, "ip_adapter": self.adapter.ip_adapter}

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        rows, people = batch.present.shape
        ppr, kept = self.adapter.image_proj_model, ~batch.drop.repeat_interleave(people)
        crops = kept & ~batch.extra[NO_CROP].repeat_interleave(people)
        seen = batch.extra[SEEN].flatten()
        embedding = batch.extra[EMBEDDINGS].flatten(0, 1)
        face = ppr.face(_where(kept & seen, embedding), self._features(batch.extra[FACES], kept & seen))
        character = ppr.character(self._features(_on_white(batch), crops))
        # The unconditional keeps what zero features become; elsewhere an absent face or dropped token is zero itself.
        silent = kept & (~seen | batch.extra[NO_FACE].repeat_interleave(people))
        face = _where(~silent, face)
        character = _where(~(kept & batch.extra[NO_CHARACTER].repeat_interleave(people)), character)
        places = torch.arange(people, device=face.device).repeat(rows)
        tokens = ppr.sequence(rearrange(ppr.placed(face, character, places), "(rows n) t c -> rows n t c", rows=rows))
        memory = AttentionMemory(
            text=project_text(self.base.unet, batch.text),
            subjects=self.adapter.ip_adapter(tokens),
            present=None if bool(batch.present.all()) else _with_background(batch.present),
        )
        return fit(memory, batch.latent_size)

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        """lambda times eq. 12's mean over all layers."""
        if not self.weight:
            return {}
        grid = resolutions(batch.latent_size)
        maps = [(attention, grid[attention.shape[1]]) for attention in trace.attention.values()]
        return {"attention": self.weight * attention_loss(maps, batch.masks, batch.present, self.form)}

    def _features(self, pictures: Tensor, kept: Tensor) -> Tensor:
        """CLIP's features of [rows, subjects] pictures, flat; zero where a picture is not kept."""
        features = self.eyes.clip.features(pictures.flatten(0, 1))
        return _where(kept, features.to(pictures))


def _where(kept: Tensor, x: Tensor) -> Tensor:
    return torch.where(kept.view(-1, *[1] * (x.ndim - 1)), x, 0.0)


def _on_white(batch: TrainingBatch) -> Tensor:
    mask = batch.reference_masks.unsqueeze(2)
    return batch.references * mask + (1 - mask)


def _with_background(present: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(present[:, :1]), present], dim=1)
