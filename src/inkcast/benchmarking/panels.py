"""The panel that the plain base and every engine draw: its words, its cast, one denoising step of it, all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from inkcast.benchmarking.clock import settle
from inkcast.benchmarking.models import Model
from inkcast.cast.character import Character, CharacterId, Identity
from inkcast.engines.engine import Conditioning, Engine, Member, PanelPrompt, Style, rows
from inkcast.engines.stable_identity.engine import ENCODERS, StableIdentity
from inkcast.images import Reference
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import prepare, restore
from inkcast.sdxl.prompts import PromptEmbeds, encode_prompt

PLAIN = "plain"
STYLE = Style()
Made = TypeVar("Made")


@dataclass(frozen=True)
class Enrolled:
    """An engine with its cast's identities; `seconds` is what one character took."""

    engine: Engine
    identities: dict[CharacterId, Identity]
    seconds: float


@dataclass(frozen=True)
class Conditioned:
    """`first` seconds in a comic's first panel with these characters, `later` in any other."""

    conditioning: Conditioning
    first: float
    later: float

    @property
    def prompt(self) -> PromptEmbeds:
        return self.conditioning.prompt


def stand_in(number: int) -> Character:
    """Somebody to encode: a figure of one colour on white."""
    picture = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(picture).ellipse((70, 20, 186, 240), fill=(60 + 60 * number, 120, 200 - 60 * number))
    who = f"bench-{number}"
    return Character(CharacterId(who), f"Person {number}", (Reference(picture, who),), "she")


def panel_of(cast: Sequence[Character]) -> PanelPrompt:
    members = tuple(Member(one.id, one.name, "a girl") for one in cast)
    mentions = [part for one in cast for part in (one.id, " and ")][:-1]
    return PanelPrompt((*mentions, " wave in the park"), members)


def enrol(model: Model, name: str, cast: Sequence[Character]) -> Enrolled:
    engine = model.engine(name)
    identities, seconds = timed(lambda: {one.id: _identity(engine, model.base, one) for one in cast})
    return Enrolled(engine, identities, seconds / len(cast))


def _identity(engine: Engine, base: Backbone, character: Character) -> Identity:
    """Words that nobody learned will do for drawing; learning is measured apart."""
    if not isinstance(engine, StableIdentity):
        return engine.encode(character)
    widths = [encoder.get_input_embeddings().weight.shape[1] for encoder in base.text_encoders]
    words = {name: torch.zeros(1, 2, width) for name, width in zip(ENCODERS, widths, strict=True)}
    return Identity(engine.name, engine.digest, words)


def condition(enrolled: Enrolled, panel: PanelPrompt) -> Conditioned:
    """Inside `engine.active()`."""

    def once() -> Conditioning:
        return enrolled.engine.condition(panel, enrolled.identities, STYLE)

    (_, first), (made, later) = timed(once), timed(once)
    return Conditioned(made, first, later)


def timed(thing: Callable[[], Made]) -> tuple[Made, float]:
    """What it makes, and the seconds it took by the clock."""
    settle()
    start = time.perf_counter()
    made = thing()
    settle()
    return made, time.perf_counter() - start


def stepping(base: Backbone, prompt: PromptEmbeds, conditioning: Conditioning | None = None) -> Callable[[], None]:
    """One denoising step as the sampler takes it, both guidance rows; plain where nothing conditions."""
    inputs, side = unet_inputs(base, prompt), base.side // base.vae_scale_factor
    memory = None if conditioning is None else rows(conditioning, 1, (side, side))

    @torch.no_grad()
    def step() -> None:
        if memory is None:
            base.unet(**inputs)
        else:
            base.unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": AttentionTrace()})

    return step


def unet_inputs(base: Backbone, prompt: PromptEmbeds, *, count: int = 2, side: int = 0) -> dict[str, Any]:
    """Of `count` rows: both guidance rows, or the positive one; at the base's own side in pixels, or another."""
    side = side or base.side
    latent = side // base.vae_scale_factor
    chance = torch.Generator().manual_seed(0)
    sample = torch.randn(count, base.unet.config.in_channels, latent, latent, generator=chance)

    def both(negative: Tensor | None, positive: Tensor | None) -> Tensor:
        assert negative is not None
        assert positive is not None
        return torch.cat([negative, positive])[-count:].to(base.dtype)

    sizes = torch.tensor([[side, side, 0.0, 0.0, side, side]]).expand(count, -1)
    return {
        "sample": sample.to(base.device, base.dtype),
        "timestep": torch.tensor(500, device=base.device),
        "encoder_hidden_states": both(prompt.negative, prompt.positive),
        "added_cond_kwargs": {
            "text_embeds": both(prompt.negative_pooled, prompt.pooled),
            "time_ids": sizes.to(base.device, base.dtype),
        },
    }


@contextmanager
def stock(base: Backbone) -> Iterator[None]:
    """diffusers' own attention inside the block."""
    restore(base.unet)
    try:
        yield
    finally:
        prepare(base.unet)


def plain_prompt(base: Backbone, panel: PanelPrompt) -> PromptEmbeds:
    with torch.no_grad():
        return encode_prompt(base, panel.wording(STYLE), "")


def draw_panel(base: Backbone, prompt: PromptEmbeds, conditioning: Conditioning | None, steps: int) -> None:
    """The whole panel, by diffusers' pipeline alone where nothing conditions."""
    if conditioning is not None:
        draw(base, conditioning, DrawSettings((base.side, base.side), steps))
        return
    with stock(base):
        base.pipeline(
            prompt_embeds=prompt.positive,
            negative_prompt_embeds=prompt.negative,
            pooled_prompt_embeds=prompt.pooled,
            negative_pooled_prompt_embeds=prompt.negative_pooled,
            height=base.side,
            width=base.side,
            num_inference_steps=steps,
            guidance_scale=5.0,
        )


@contextmanager
def counting(module: nn.Module) -> Iterator[list[int]]:
    """How often the module runs inside the block, as a list of one number."""
    calls = [0]

    def seen(*_: Any) -> None:
        calls[0] += 1

    hook = module.register_forward_hook(seen)
    try:
        yield calls
    finally:
        hook.remove()
