"""An engine's training step: the frozen base denoises with the engine's memory; the engine's parts get the gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.engines.engine import Trainee, TrainingBatch
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.latents import picture_latents
from inkcast.sdxl.layers import check_prepared
from inkcast.toon.base import TRAIN_STEPS
from inkcast.training.diffusion import alphas_bar, denoised, min_snr, min_snr_noise, noised, velocity, weighted_error
from inkcast.training.toon_unet import encode_text

DRAWN = ("latents", "picture", "noise", "timestep", "tokens", "tokens_2", "time_ids")
KNOWN = frozenset((*DRAWN, "references", "reference_masks", "masks", "present", "drop"))

Guide = Callable[[dict[str, Tensor], dict[str, Any]], Mapping[str, Any]]
"""From the collated batch and the UNet's arguments to further arguments, such as a ControlNet's residuals."""
CleanLoss = Callable[[TrainingBatch, Tensor, Tensor], Mapping[str, Tensor]]
"""Weighted terms by name from the batch, the predicted clean latents and the timesteps."""


class EngineLoss(nn.Module):
    """The diffusion loss of a frozen SDXL base, whatever it was trained to predict, plus the engine's own terms.

    Samples hold `latents`, or a `picture` [3, height, width] in [0, 1] to be encoded at each step. Errors where a
    subject stands weigh `focus` times as much: what surrounds the subjects can be drawn without their references.
    Only the engine's parts are registered here, so only they are trained and checkpointed.
    """

    alphas: Tensor
    base: Backbone
    engine: Trainee

    def __init__(
        self,
        base: Backbone,
        engine: Trainee,
        gamma: float,
        record_attention: bool = False,
        *,
        focus: float = 1.0,
        guide: Guide | None = None,
        on_clean: CleanLoss | None = None,
    ) -> None:
        super().__init__()
        check_prepared(base.unet)
        for frozen in (base.unet, base.vae, *base.text_encoders):
            frozen.requires_grad_(False)
        self.base, self.engine = base, engine
        self.gamma, self.focus, self.record_attention = gamma, focus, record_attention
        self.guide, self.on_clean = guide, on_clean
        self.predicts_velocity = base.pipeline.scheduler.config.prediction_type == "v_prediction"
        self.parts = nn.ModuleDict({name: part.requires_grad_() for name, part in engine.trainable().items()})
        self.register_buffer("alphas", alphas_bar(TRAIN_STEPS, 0.00085, 0.012), persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        base, engine = self.base, self.engine
        with torch.no_grad():
            words, pooled = encode_text(base.text_encoders, batch["tokens"], batch.get("tokens_2"))
        if "latents" not in batch:
            batch = batch | {"latents": picture_latents(base, batch["picture"])}
        x, noise, a = batch["latents"], batch["noise"], self.alphas[batch["timestep"]]
        given, trace = training_batch(batch, words), AttentionTrace(record_attention=self.record_attention)
        noisy = noised(x, noise, a)
        arguments: dict[str, Any] = {
            "sample": noisy,
            "timestep": batch["timestep"],
            "encoder_hidden_states": words,
            "added_cond_kwargs": {"text_embeds": pooled, "time_ids": batch["time_ids"]},
        }
        if self.guide is not None:
            arguments |= self.guide(batch, arguments)
        memory = {"memory": engine.memory(given), "trace": trace}
        prediction = base.unet(**arguments, cross_attention_kwargs=memory).sample
        target, weight = self._target(x, noise, a)
        loss, each = weighted_error(prediction, target, weight, focused(given, self.focus))
        terms = dict(engine.losses(given, trace))
        if self.on_clean is not None:
            clean = denoised(noisy, prediction.float(), a, velocity=self.predicts_velocity)
            terms |= self.on_clean(given, clean, batch["timestep"])
        return {"loss": sum(terms.values(), loss), "mse": each.mean(), **terms}

    def _target(self, x: Tensor, noise: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """What the base predicts, and the weight of each sample's error."""
        if self.predicts_velocity:
            return velocity(x, noise, a), min_snr(a, self.gamma)
        return noise, min_snr_noise(a, self.gamma)


def focused(batch: TrainingBatch, focus: float) -> Float[Tensor, "rows height width"] | None:
    """`focus` where a subject covers the latents, 1 where none does, between at edges; None if all weigh the same."""
    if focus == 1.0:
        return None
    covered = F.adaptive_avg_pool2d(batch.masks.amax(dim=1, keepdim=True).float(), batch.latent_size)
    return 1 + (focus - 1) * covered[:, 0]


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
