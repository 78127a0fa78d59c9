"""Reference-prompted segmentation (AnyStory, end of section 3.3, Fig. 5): noise a picture a little, ask the router."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.options import ONE_FIGURE
from inkcast.engines.engine import Member, PanelPrompt, Style
from inkcast.errors import EngineError
from inkcast.images import Reference
from inkcast.sdxl.attention import AttentionTrace, Size
from inkcast.sdxl.fitting import fit, resolutions
from inkcast.sdxl.latents import picture_latents
from inkcast.sdxl.layers import check_prepared
from inkcast.vision.crops import to_tensor

_GRAIN = 4  # latent pixels that both sides are multiples of


@dataclass(frozen=True)
class Asking:
    """`noise` is the share of the noise schedule (0 nearly clean, 1 nothing but noise), `draws` how many noises are
    averaged, `prompt` what the text encoders read."""

    noise: float = 0.3
    prompt: str = ""
    seed: int = 0
    draws: int = 2


@torch.no_grad()
def segment(
    engine: AnyStory, picture: Image.Image, cast: Mapping[CharacterId, Identity], asking: Asking | None = None
) -> Float[np.ndarray, "subjects_and_background height width"]:
    """How much each pixel of an RGB picture belongs to each of the cast, the background last; shares that add up to 1.

    The mean of the refined routing maps of all cross-attentions. `segmentation` makes masks of it.

    Raises:
        EngineError: the weights have no router, the noise level is out of range.
    """
    asking = asking or Asking()
    if not 0 <= asking.noise <= 1:
        raise EngineError(f"noise {asking.noise:g} is out of range: use 0 (clean) to 1 (nothing but noise)")
    base = engine.base
    check_prepared(base.unet)
    size = fitting_size(picture.size, base.side, base.vae_scale_factor * _GRAIN)
    resized = picture.convert("RGB").resize((size[1], size[0]), Image.Resampling.LANCZOS)
    latents = picture_latents(base, to_tensor(np.array(resized)[None]))
    members = tuple(Member(who, str(who), "") for who in cast)
    # Each draw is a picture of its own.
    panel = PanelPrompt((asking.prompt,), members, settings={ONE_FIGURE.name: False})
    maps = _routing(engine, latents, size, panel, cast, asking)
    width, height = picture.size
    return F.interpolate(maps[None], size=(height, width), mode="bilinear", align_corners=False)[0].cpu().numpy()


def find(
    engine: AnyStory, picture: Image.Image, subjects: Sequence[tuple[Reference, ...]], asking: Asking | None = None
) -> Image.Image:
    """A mask of the picture's size, 255 where the first of `subjects` is; each is one or more references."""
    cast = {
        (who := CharacterId(str(n))): engine.encode(Character(who, f"subject {n}", references))
        for n, references in enumerate(subjects, 1)
    }
    mask = segmentation(segment(engine, picture, cast, asking))[0]
    return Image.fromarray(mask.astype(np.uint8) * 255)


def _routing(
    engine: AnyStory,
    latents: Float[Tensor, "1 c h w"],
    size: Size,
    panel: PanelPrompt,
    cast: Mapping[CharacterId, Identity],
    asking: Asking,
) -> Float[Tensor, "subjects_and_background h w"]:
    base, latent_size = engine.base, (latents.shape[-2], latents.shape[-1])
    with engine.active():
        conditioning = engine.condition(panel, cast, Style())
        memory, trace = fit(conditioning.positive, latent_size), AttentionTrace()
        sizes = torch.tensor([[*size, 0, 0, *size]], dtype=base.dtype, device=base.device)
        generator, total = torch.Generator().manual_seed(asking.seed), torch.zeros(())
        for _ in range(asking.draws):
            base.unet(
                *_noised(engine, latents, asking.noise, generator),
                conditioning.prompt.positive,
                added_cond_kwargs={"text_embeds": conditioning.prompt.pooled, "time_ids": sizes},
                cross_attention_kwargs={"memory": memory, "trace": trace},
            )
            total = total.to(base.device) + mean_map(list(trace.routing.values()), latent_size)[0] / asking.draws
            trace.reset()
    return total


def _noised(
    engine: AnyStory, latents: Tensor, noise: float, generator: torch.Generator
) -> tuple[Float[Tensor, "1 c h w"], Tensor]:
    """`sqrt(a) x + sqrt(1 - a) n` at the base's own schedule, and the time step."""
    alphas = engine.base.pipeline.scheduler.alphas_cumprod
    step = round(noise * (len(alphas) - 1))
    a = alphas[step].to(latents)
    drawn = torch.randn(latents.shape, generator=generator).to(latents)
    return a.sqrt() * latents + (1 - a).sqrt() * drawn, torch.tensor(step, device=latents.device)


def mean_map(
    routing: Sequence[Float[Tensor, "rows subjects pixels"]], latent_size: Size
) -> Float[Tensor, "rows subjects h w"]:
    """The mean over layers at the finest resolution among them."""
    grid = resolutions(latent_size)
    maps = [layer.unflatten(-1, grid[layer.shape[-1]]) for layer in routing]
    finest = max((tuple(layer.shape[-2:]) for layer in maps), key=math.prod)
    return torch.stack([F.interpolate(layer, size=finest, mode="bilinear") for layer in maps]).mean(dim=0)


def segmentation(
    shares: Float[np.ndarray, "subjects_and_background height width"],
) -> Bool[np.ndarray, "subjects height width"]:
    """A mask per subject: the pixels where nobody else, nor the background, has a greater share."""
    return shares.argmax(axis=0) == np.arange(len(shares) - 1)[:, None, None]


def fitting_size(picture: tuple[int, int], side: int, grain: int) -> Size:
    """(height, width) of about `side` squared pixels, near the shape of a picture of (width, height)."""
    scale = side / math.sqrt(picture[0] * picture[1])
    width, height = (max(grain, round(length * scale / grain) * grain) for length in picture)
    return height, width
