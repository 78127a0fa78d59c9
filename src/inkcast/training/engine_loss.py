"""An engine's training step: the frozen base denoises with the engine's memory; the engine's parts get the gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inkcast.engines.engine import Trainee, TrainingBatch
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import check_prepared
from inkcast.toon.base import TRAIN_STEPS
from inkcast.training.diffusion import alphas_bar, min_snr, noised, velocity, weighted_error
from inkcast.training.toon_unet import encode_text

KNOWN = frozenset(
    ("latents", "noise", "timestep", "tokens", "time_ids", "references", "reference_masks", "masks", "present", "drop")
)


class EngineLoss(nn.Module):
    """The diffusion loss of a frozen v-prediction SDXL base plus the engine's own terms.

    Only the engine's parts are registered here, so only they are trained and checkpointed.
    """

    alphas: Tensor
    base: Backbone
    engine: Trainee

    def __init__(self, base: Backbone, engine: Trainee, gamma: float, record_attention: bool = False) -> None:
        super().__init__()
        check_prepared(base.unet)
        for frozen in (base.unet, base.vae, *base.text_encoders):
            frozen.requires_grad_(False)
        self.base, self.engine = base, engine
        self.gamma, self.record_attention = gamma, record_attention
        self.parts = nn.ModuleDict({name: part.requires_grad_() for name, part in engine.trainable().items()})
        self.register_buffer("alphas", alphas_bar(TRAIN_STEPS, 0.00085, 0.012), persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        base, engine = self.base, self.engine
        with torch.no_grad():
            words, pooled = encode_text(base.text_encoders, batch["tokens"])
        x, noise, a = batch["latents"], batch["noise"], self.alphas[batch["timestep"]]
        given, trace = training_batch(batch, words), AttentionTrace(record_attention=self.record_attention)
        prediction = base.unet(
            noised(x, noise, a),
            batch["timestep"],
            words,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": batch["time_ids"]},
            cross_attention_kwargs={"memory": engine.memory(given), "trace": trace},
        ).sample
        loss, each = weighted_error(prediction, velocity(x, noise, a), min_snr(a, self.gamma))
        terms = engine.losses(given, trace)
        return {"loss": sum(terms.values(), loss), "mse": each.mean(), **terms}


def training_batch(batch: dict[str, Tensor], words: Tensor) -> TrainingBatch:
    """A collated batch of samples with its captions encoded; what only one engine knows becomes `extra`."""
    return TrainingBatch(
        text=words,
        references=batch["references"],
        reference_masks=batch["reference_masks"],
        masks=batch["masks"],
        present=batch["present"],
        drop=batch["drop"],
        latent_size=(batch["latents"].shape[-2], batch["latents"].shape[-1]),
        extra={name: value for name, value in batch.items() if name not in KNOWN},
    )
