"""Does the router know where everybody is? Routing maps of noised unseen renders against the renders' true masks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from inkcast.cast.character import CharacterId
from inkcast.engines.any_story.losses import instance_targets
from inkcast.engines.engine import Engine, Member, PanelPrompt
from inkcast.errors import EngineError
from inkcast.evaluation.groups import clustered
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.metrics import routing_iou
from inkcast.evaluation.suites import STYLE
from inkcast.evaluation.toon_base import without_nan
from inkcast.evaluation.toon_looks import character_of
from inkcast.evaluation.toon_report import table
from inkcast.files import replacing_folder, write_text
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, Gate, Layer
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit, resolutions
from inkcast.sdxl.latents import picture_latents
from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import render
from inkcast.toon.world import Look
from inkcast.training.subjects import nameless
from inkcast.vision.crops import to_tensor

RESULTS = "routing.json"
FEWEST_PIXELS = 0.02


@dataclass(frozen=True)
class RoutingCase:
    """An unseen render of characters, with each one's mask, its caption, and a seed for the noise."""

    picture: UInt8[np.ndarray, "s s 3"]
    masks: Bool[np.ndarray, "subjects s s"]
    looks: tuple[Look, ...]
    words: str
    seed: int

    @property
    def panel(self) -> PanelPrompt:
        members = tuple(Member(CharacterId(f"member-{k}"), look.kind, look.kind) for k, look in enumerate(self.looks))
        return PanelPrompt((self.words,), members)


@dataclass(frozen=True)
class Iou:
    """Of one subject in one layer's map at one noise level; `pixels` is the layer's resolution."""

    layer: Layer
    pixels: int
    timestep: int
    render: int
    subject: int
    value: float

    @property
    def place(self) -> tuple[Layer, int, int, int]:
        return self.layer, self.timestep, self.render, self.subject


@dataclass(frozen=True)
class Routing:
    """Mean IoU over subjects: of the layers of the finest resolution together, of these by noise level and by how many
    subjects there are, and of each layer."""

    finer: Estimate
    layers: Mapping[Layer, Estimate]
    steps: Mapping[int, Estimate]
    people: Mapping[int, Estimate]

    @property
    def parts(self) -> Mapping[str, Estimate]:
        """All but the finer layers together, as tables call them."""
        return {
            **{f"finer layers, t = {step}": one for step, one in self.steps.items()},
            **{f"finer layers, subjects: {count}": one for count, one in self.people.items()},
            **self.layers,
        }


def routing_cases(count: int, seed: int, side: int) -> list[RoutingCase]:
    """`count` scenes of the test split in which every character shows on 2 % of the pixels, kinds named only."""
    cases: list[RoutingCase] = []
    index = 0
    while len(cases) < count:
        rng = np.random.default_rng([seed, index])
        index += 1
        scene = nameless(sample_scene(rng, "test"))
        looks = tuple(actor.subject for actor in scene.actors if isinstance(actor.subject, Look))
        if not looks or len(looks) < len(scene.actors):
            continue
        drawn = render(scene, side)
        masks = np.stack([drawn.instances == k + 1 for k in range(len(looks))])
        if masks.mean((1, 2)).min() < FEWEST_PIXELS:
            continue
        cases.append(RoutingCase(drawn.image, masks, looks, caption(scene, rng, looks=0.0), int(rng.integers(2**31))))
    return cases


def timesteps(count: int, total: int = 1000) -> tuple[int, ...]:
    """The middles of `count` equal spans of the noise schedule."""
    return tuple(int((k + 0.5) * total / count) for k in range(count))


def true_gate(masks: Bool[np.ndarray, "subjects s s"], latent_size: tuple[int, int]) -> Gate:
    """sigma(M) as a router would have it that knows who is where."""
    grid, instances = resolutions(latent_size), torch.from_numpy(masks[None].astype(np.float32))

    def gate(routing: Float[Tensor, "1 subjects_and_background pixels"]) -> Tensor:
        subjects = instance_targets(instances, grid[routing.shape[-1]]).to(routing)
        return torch.cat([subjects, 1 - subjects.amax(dim=1, keepdim=True)], dim=1)

    return gate


@torch.no_grad()
def traced(
    base: Backbone, memory: AttentionMemory, case: RoutingCase, pooled: Tensor | None, words: Tensor, timestep: int
) -> Mapping[Layer, Float[Tensor, "1 subjects_and_background pixels"]]:
    """Every layer's routing map at one noise level: x_t = sqrt(a) x + sqrt(1 - a) noise (Ho et al. 2020, eq. 4)."""
    x = picture_latents(base, to_tensor(case.picture[None]))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(case.seed)).to(x)
    a = base.pipeline.scheduler.alphas_cumprod[timestep].to(x)
    side, trace = float(base.side), AttentionTrace()
    sizes = torch.tensor([[side, side, 0.0, 0.0, side, side]], device=x.device, dtype=x.dtype)
    base.unet(
        a.sqrt() * x + (1 - a).sqrt() * noise,
        torch.tensor(timestep, device=x.device),
        encoder_hidden_states=words,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes},
        cross_attention_kwargs={"memory": fit(memory, (x.shape[-2], x.shape[-1])), "trace": trace},
    )
    return trace.routing


def layer_ious(
    maps: Mapping[Layer, Float[Tensor, "1 subjects_and_background pixels"]],
    masks: Bool[np.ndarray, "subjects s s"],
    latent_size: tuple[int, int],
) -> dict[Layer, list[float]]:
    """Per layer each subject's IoU with its mask at that resolution (eq. 4's target); NaN where that is empty."""
    grid = resolutions(latent_size)
    found = {}
    for layer, routing in maps.items():
        size = grid[routing.shape[-1]]
        wanted = instance_targets(torch.from_numpy(masks[None].astype(np.float32)), size)[0].unflatten(-1, size) > 0.5
        shaped = rearrange(routing[0].float().cpu(), "s (h w) -> s h w", h=size[0]).numpy()
        ious = routing_iou(shaped, wanted.numpy())
        found[layer] = [iou if mask.any() else math.nan for iou, mask in zip(ious, wanted, strict=True)]
    return found


def measure_routing(
    base: Backbone,
    engine: Engine,
    cases: Sequence[RoutingCase],
    at: Sequence[int],
    progress: Callable[[int], None] = lambda done: None,
    *,
    true_gates: bool = False,
) -> Routing:
    """`read_ious` of each layer and noise level together. Raises as `read_ious`."""
    return routing_of(read_ious(base, engine, cases, at, progress, true_gates=true_gates))


def read_ious(
    base: Backbone,
    engine: Engine,
    cases: Sequence[RoutingCase],
    at: Sequence[int],
    progress: Callable[[int], None] = lambda done: None,
    *,
    true_gates: bool = False,
) -> list[Iou]:
    """Each case at each timestep; with `true_gates` subjects act inside their masks whatever the router says, so that
    later layers' latents have been told who is where. Raises `EngineError` for an engine that routes nothing."""
    rows: list[Iou] = []
    latent = base.side // base.vae_scale_factor
    for number, case in enumerate(cases):
        people = [character_of(look, k) for k, look in enumerate(case.looks)]
        with engine.active():
            identities = {person.id: engine.encode(person) for person in people}
            conditioning = engine.condition(case.panel, identities, STYLE)
            prompt, memory = conditioning.prompt, conditioning.positive
            if true_gates:
                memory = replace(memory, gate=true_gate(case.masks, (latent, latent)))
            for timestep in at:
                maps = traced(base, memory, case, prompt.pooled, prompt.positive, timestep)
                ious = layer_ious(maps, case.masks, (latent, latent))
                rows += [
                    Iou(layer, maps[layer].shape[-1], timestep, number, subject, iou)
                    for layer, own in ious.items()
                    for subject, iou in enumerate(own)
                ]
        progress(number + 1)
    if not rows:
        raise EngineError(f"{engine.name} routes nothing: measure any-story with its router on")
    return rows


def routing_of(ious: Sequence[Iou]) -> Routing:
    """Means over subjects, with intervals over renders."""
    finest = max(one.pixels for one in ious)
    finer = [one for one in ious if one.pixels == finest]
    layers, steps = dict.fromkeys(one.layer for one in ious), dict.fromkeys(one.timestep for one in ious)
    last: dict[int, int] = {}
    for one in ious:
        last[one.render] = max(last.get(one.render, 0), one.subject)
    return Routing(
        _mean(finer),
        {layer: _mean([one for one in ious if one.layer == layer]) for layer in layers},
        {step: _mean([one for one in finer if one.timestep == step]) for step in steps},
        {k + 1: _mean([one for one in finer if last[one.render] == k]) for k in sorted(set(last.values()))},
    )


def _mean(ious: Sequence[Iou]) -> Estimate:
    return clustered([one.value for one in ious], [str(one.render) for one in ious])


def apart(ious: Sequence[Iou], others: Sequence[Iou]) -> list[Iou]:
    """Each subject's IoU less the one that the others have of it, in the same layer at the same noise level."""
    known = {one.place: one.value for one in others}
    return [replace(one, value=one.value - known[one.place]) for one in ious if one.place in known]


def write_routing(out: Path, found: Routing, facts: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """`routing.json` and `routing.md` in the folder `out`. Raises `OutputError` if that holds something else."""
    whole = {"finer layers together": found.finer, **found.parts}
    rows = [[where, str(one)] for where, one in whole.items()]
    with replacing_folder(out, RESULTS, overwrite=overwrite) as folder:
        figures = without_nan({"facts": dict(facts), **asdict(found)})
        write_text(folder / RESULTS, json.dumps(figures, indent=2, allow_nan=False) + "\n")
        write_text(folder / "routing.md", f"# Routing maps against true masks\n\n{table(['where', 'mean IoU'], rows)}")
