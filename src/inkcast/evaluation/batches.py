"""Many different panels in one batch of the UNet: what makes measuring on a CPU bearable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from inkcast.drawing.easel import usual
from inkcast.engines.engine import Conditioning, Engine
from inkcast.errors import EngineError
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sampling.schedulers import make_scheduler
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue, Layer
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit


@dataclass(frozen=True)
class Batching:
    """How pictures are drawn for measuring; `size` pictures at a time, square at the base's own side.

    What is None is as `inkcast make` draws with the engine, or by words alone: each engine's published guidance and
    scheduler, on a toon base its values there.
    """

    steps: int = 25
    guidance: float | None = None
    scheduler: str | None = None
    size: int = 16

    def of(self, engine: Engine | None, base: Backbone) -> Batching:
        """With nothing left open."""
        own = usual(engine, base)
        return replace(
            self,
            guidance=own.guidance if self.guidance is None else self.guidance,
            scheduler=self.scheduler or own.scheduler,
        )


def draw_all(
    base: Backbone,
    conditionings: Sequence[Conditioning],
    seeds: Sequence[int],
    batching: Batching,
    progress: Callable[[int], None] = lambda drawn: None,
) -> UInt8[np.ndarray, "n h w 3"]:
    """One picture per conditioning, in order; up to rounding, each is the one its seed gives alone.

    Conditionings of one form share batches; those with a router or regions are drawn one by one. `progress` is called
    with the number of pictures just drawn. What `batching` leaves open is as words alone are drawn.
    """
    settings = settings_of(base, batching)
    groups: dict[object, list[int]] = {}
    for place, conditioning in enumerate(conditionings):
        groups.setdefault(form(conditioning) or place, []).append(place)
    pictures: dict[int, np.ndarray] = {}
    for key, places in groups.items():
        alone = isinstance(key, int)
        for start in range(0, len(places), batching.size):
            part = places[start : start + batching.size]
            chosen, own = [conditionings[k] for k in part], [seeds[k] for k in part]
            drawn = _draw_alone(base, chosen[0], own[0], settings) if alone else _draw(base, chosen, own, settings)
            pictures.update(zip(part, drawn, strict=True))
            progress(len(part))
    return np.stack([pictures[place] for place in range(len(conditionings))])


def form(conditioning: Conditioning) -> tuple[object, ...] | None:
    """What must agree for conditionings to share a batch; None where they cannot."""
    rows = (conditioning.negative, conditioning.positive)
    if any(row.router is not None or row.regions is not None or row.present is not None for row in rows):
        return None
    if any(isinstance(value, Tensor) for row in rows for value in (row.subject_scale, row.reference_bias)):
        return None
    parts = [getattr(row, name) for row in rows for name in ("text", "subjects", "reference")]
    shapes = tuple(tuple(sorted((layer, tuple(kv.key.shape)) for layer, kv in part.items())) for part in parts)
    scales = tuple((row.subject_scale, row.reference_bias) for row in rows)
    return (conditioning.prompt.positive.shape, shapes, scales)


def stacked(conditionings: Sequence[Conditioning]) -> AttentionMemory:
    """Rows [negative 1..n, positive 1..n] of conditionings of one form."""
    first = conditionings[0]
    if (first.negative.subject_scale, first.negative.reference_bias) != (
        first.positive.subject_scale,
        first.positive.reference_bias,
    ):
        raise EngineError("the guidance rows have different strengths: draw such conditionings one by one")
    both = [c.negative for c in conditionings] + [c.positive for c in conditionings]

    def joined(name: str) -> Mapping[Layer, KeyValue]:
        parts: list[Mapping[Layer, KeyValue]] = [getattr(row, name) for row in both]
        return {
            layer: KeyValue(*(torch.cat([getattr(part[layer], side) for part in parts]) for side in ("key", "value")))
            for layer in parts[0]
        }

    return replace(
        first.positive,
        text=joined("text"),
        subjects=joined("subjects"),
        reference=joined("reference"),
        guided=True,
    )


def settings_of(base: Backbone, batching: Batching) -> DrawSettings:
    """Square, at the base's own side, with what is left open as words alone are drawn."""
    whole = batching.of(None, base)
    assert whole.guidance is not None
    assert whole.scheduler is not None
    return DrawSettings((base.side, base.side), whole.steps, whole.guidance, scheduler=whole.scheduler)


def _draw(base: Backbone, chosen: Sequence[Conditioning], seeds: Sequence[int], settings: DrawSettings) -> np.ndarray:
    side = base.side // base.vae_scale_factor
    prompts = [conditioning.prompt for conditioning in chosen]
    words = {
        "prompt_embeds": torch.cat([prompt.positive for prompt in prompts]),
        "negative_prompt_embeds": torch.cat([prompt.negative for prompt in prompts]),
    }
    if base.family == "sdxl":
        words["pooled_prompt_embeds"] = torch.cat([p.pooled for p in prompts if p.pooled is not None])
        words["negative_pooled_prompt_embeds"] = torch.cat(
            [p.negative_pooled for p in prompts if p.negative_pooled is not None]
        )
    before = base.pipeline.scheduler
    base.pipeline.scheduler = make_scheduler(settings.scheduler, before)
    try:
        out = base.pipeline(
            **words,
            height=base.side,
            width=base.side,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            cross_attention_kwargs={"memory": fit(stacked(chosen), (side, side)), "trace": AttentionTrace()},
            output_type="np",
        )
    finally:
        base.pipeline.scheduler = before
    return (np.asarray(out.images) * 255).round().clip(0, 255).astype(np.uint8)


def _draw_alone(base: Backbone, conditioning: Conditioning, seed: int, settings: DrawSettings) -> np.ndarray:
    return np.stack([np.asarray(image) for image in draw(base, conditioning, replace(settings, seed=seed))])
