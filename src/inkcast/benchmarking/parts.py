"""The two parts with a measure of their own: ReferenceNet against the UNet, learning a face against its UNet alone."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inkcast.benchmarking.clock import Turn, against, take_turns
from inkcast.benchmarking.costs import operations
from inkcast.benchmarking.models import Model
from inkcast.benchmarking.panels import panel_of, plain_prompt, stand_in, stock, unet_inputs
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.stable_identity.learn import Learner, Learning, still
from inkcast.engines.stable_identity.prior import celebrity_priors
from inkcast.engines.stable_identity.views import Material

REFERENCE_NET_WANTED = 0.86  # 53.2 of 62.0 ms, table 1 of arXiv 2501.09503
FACE_FEATURES = 768  # of a face ViT
VIEWS = 8


@dataclass(frozen=True)
class Part:
    """One part against what it is measured by; `over` is how far the ratio is above `wanted` (None: nothing asked)."""

    seconds: float
    other_seconds: float
    time_ratio: float
    cpu_ratio: float
    flops_ratio: float | None = None
    wanted: float | None = None
    over: float | None = None


def measure_reference_net(model: Model, rounds: int) -> Part:
    """One reference through ReferenceNet against the same latents through the UNet with its prompt, one row each."""
    engine = model.engine(AnyStory.name)
    assert isinstance(engine, AnyStory)
    base, net = model.base, engine.parts.reference_net
    prompt = plain_prompt(base, panel_of((stand_in(0),)))
    inputs = unet_inputs(base, prompt, count=1, side=base.side // 2)
    sample: Tensor = inputs["sample"]
    masked = torch.cat([sample, torch.ones_like(sample[:, :1])], dim=1)

    @torch.no_grad()
    def refer() -> None:
        net(masked, base.side // 2)

    @torch.no_grad()
    def plain() -> None:
        base.unet(**inputs)

    ours, theirs = Turn(refer), Turn(plain, lambda: stock(base))
    flops = operations(ours) / operations(theirs)
    part = _compared(ours, theirs, rounds)
    measured = part.cpu_ratio if base.device.type == "cpu" else part.time_ratio
    return replace(part, flops_ratio=flops, wanted=REFERENCE_NET_WANTED, over=measured - REFERENCE_NET_WANTED)


def measure_learning(model: Model, rounds: int) -> Part:
    """A step of learning a face against the UNet forward and backward to its prompt, one row, no parameter learning."""
    base, learner = model.base, learner_of(model)
    inputs = unet_inputs(base, plain_prompt(base, panel_of((stand_in(0),))), count=1)
    words = inputs.pop("encoder_hidden_states").detach()

    def plain() -> None:
        prompt = words.clone().requires_grad_()
        base.unet(**inputs, encoder_hidden_states=prompt).sample.float().square().mean().backward()

    with still(base, checkpointing=False):
        return _compared(Turn(learner.advance), Turn(plain, lambda: stock(base)), rounds)


def learner_of(model: Model) -> Learner:
    """Over made-up views: what a step costs does not depend on whose face it is."""
    engine, base = model.engine(StableIdentity.name), model.base
    assert isinstance(engine, StableIdentity)
    side, chance = base.side // base.vae_scale_factor, torch.Generator().manual_seed(0)
    views = torch.randn(VIEWS, base.unet.config.in_channels, side, side, generator=chance)
    features = torch.randn(VIEWS, FACE_FEATURES, generator=chance).to(base.device)
    material = Material(
        latents=views.to(base.device),
        weights=torch.ones(VIEWS, 1, side, side, device=base.device),
        features=features,
        own=features[:1],
    )
    priors = celebrity_priors(base.text_encoders, base.tokenizers, engine.fame.names)
    return Learner(base, priors, engine.fame, material, Learning(), "bench")


def _compared(ours: Turn, theirs: Turn, rounds: int) -> Part:
    laps = take_turns({"ours": ours, "theirs": theirs}, rounds)
    ratio = against(laps["ours"], laps["theirs"])
    own, other = (statistics.median(laps[name].wall) for name in ("ours", "theirs"))
    return Part(own, other, ratio.wall, ratio.cpu)
