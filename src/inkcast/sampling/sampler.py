"""Draw one panel: diffusers' own pipeline, given prompt embeddings and the attention memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from inkcast.engines.engine import Conditioning, rows
from inkcast.errors import EngineError
from inkcast.sampling.control import Control, controlled
from inkcast.sampling.schedulers import make_scheduler
from inkcast.sdxl.attention import AttentionTrace, Size
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import check_prepared

_BOTH_ROWS = ("prompt_embeds", "add_text_embeds", "add_time_ids", "image", "mask", "masked_image_latents")


@dataclass(frozen=True)
class DrawSettings:
    """`size` is (height, width) in pixels. Picture i of `pictures` is the one that seed + i alone gives.

    `guidance` <= 1 is off (one UNet row instead of two); `guidance_end` is the share of the steps after which it ends.
    """

    size: Size
    steps: int = 25
    guidance: float = 5.0
    guidance_end: float = 1.0
    scheduler: str = "euler"
    seed: int = 0
    pictures: int = 1


@dataclass(frozen=True)
class Step:
    """Handed to `on_step` after each step. The trace holds this step's maps and is emptied afterwards."""

    index: int
    steps: int
    latents: Float[Tensor, "pictures 4 height width"]
    trace: AttentionTrace


def draw(
    base: Backbone,
    conditioning: Conditioning,
    settings: DrawSettings,
    *,
    control: Control | None = None,
    on_step: Callable[[Step], None] | None = None,
    record_attention: bool = False,
) -> list[Image.Image]:
    """The pictures of one panel, RGB. What `on_step` raises stops the drawing and comes through.

    Raises:
        EngineError: processors were replaced, a setting is out of range, or the numbers overflowed.
    """
    check_prepared(base.unet)
    _check(base, settings)
    height, width = settings.size
    latent_size = (height // base.vae_scale_factor, width // base.vae_scale_factor)
    memory = rows(conditioning, settings.pictures, latent_size)
    trace = AttentionTrace(record_attention=record_attention)
    pipeline, extra = controlled(base, control, settings.size)
    pipeline.set_progress_bar_config(disable=True)  # one made from another does not know
    with _scheduler(pipeline, settings.scheduler):
        out = pipeline(
            **_prompt(base, conditioning, settings),
            **extra,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            num_images_per_prompt=settings.pictures,
            generator=[torch.Generator().manual_seed(settings.seed + i) for i in range(settings.pictures)],
            cross_attention_kwargs={"memory": memory, "trace": trace},
            callback_on_step_end=_Callback(settings, trace, on_step),
            callback_on_step_end_tensor_inputs=[
                name for name in ("latents", *_BOTH_ROWS) if name in pipeline._callback_tensor_inputs
            ],
        )
    images: list[Image.Image] = out.images
    return images


def _check(base: Backbone, settings: DrawSettings) -> None:
    factor = base.vae_scale_factor
    if any(side < factor or side % factor for side in settings.size):
        raise EngineError(f"cannot draw {settings.size[1]} x {settings.size[0]} pixels: use multiples of {factor}")
    if settings.steps < 1 or settings.pictures < 1:
        raise EngineError(f"{settings.steps} steps and {settings.pictures} pictures: both must be 1 or more")


def _prompt(base: Backbone, conditioning: Conditioning, settings: DrawSettings) -> dict[str, Any]:
    prompt = conditioning.prompt
    words: dict[str, Any] = {"prompt_embeds": prompt.positive, "negative_prompt_embeds": prompt.negative}
    if base.family == "sdxl":
        words |= {"pooled_prompt_embeds": prompt.pooled, "negative_pooled_prompt_embeds": prompt.negative_pooled}
        words |= {"original_size": settings.size, "target_size": settings.size, "crops_coords_top_left": (0, 0)}
    return words


@contextmanager
def _scheduler(pipeline: Any, name: str) -> Iterator[None]:
    before = pipeline.scheduler
    pipeline.scheduler = make_scheduler(name, before)
    try:
        yield
    finally:
        pipeline.scheduler = before


@dataclass(frozen=True)
class _Callback:
    """diffusers' step callback: report, empty the trace, end guidance."""

    settings: DrawSettings
    trace: AttentionTrace
    on_step: Callable[[Step], None] | None

    def __call__(self, pipeline: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps = pipeline._num_timesteps
        if index == steps - 1 and not bool(torch.isfinite(tensors["latents"]).all()):
            raise EngineError("the drawing overflowed to NaN: use --dtype float32 or bfloat16, or less guidance")
        if self.on_step is not None:
            self.on_step(Step(index, steps, tensors["latents"], self.trace))
        self.trace.reset()
        if pipeline.do_classifier_free_guidance and index + 1 >= self.settings.guidance_end * steps:
            return self._end_guidance(pipeline, tensors)
        return tensors

    def _end_guidance(self, pipeline: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """The way diffusers documents it: scale zero, and only the positive half of all that has two rows."""
        pipeline._guidance_scale = 0.0
        halves = {name: tensors[name] for name in _BOTH_ROWS if isinstance(tensors.get(name), Tensor)}
        return tensors | {name: tensor[tensor.shape[0] // 2 :] for name, tensor in halves.items()}
