"""What an engine adds to the plain base: time, operations, calls and memory of the same panel on one model."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from inkcast.benchmarking.clock import Laps, Turn, against, settle, take_turns
from inkcast.benchmarking.models import ENGINES, Model
from inkcast.benchmarking.panels import (
    PLAIN,
    Conditioned,
    Enrolled,
    condition,
    counting,
    draw_panel,
    enrol,
    panel_of,
    plain_prompt,
    stand_in,
    stepping,
    stock,
    timed,
)
from inkcast.engines.any_story.engine import AnyStory
from inkcast.events import Progress, Report, unheard
from inkcast.sdxl.prompts import PromptEmbeds

PANEL_STEPS = 25
DRAWN_STEPS = 2  # of the panels that are drawn to count calls
WANTED: Mapping[tuple[str, int], float] = {
    **{("stable-identity", people): 1.0 for people in (1, 2, 3)},
    **{("story-maker", people): 1.05 for people in (1, 2, 3)},
    ("any-story", 1): 1.15,
    ("any-story", 2): 1.25,
    ("any-story", 3): 1.31,
}
"""What is asked of a step's time as a share of the plain base's."""


@dataclass(frozen=True)
class Cost:
    """One engine with one number of people, against the plain base's step; seconds are medians.

    `panel_ratio`: a panel of `PANEL_STEPS` steps with its conditioning, as any panel but a comic's first has it, by the
    clock. `over`: how far the time is above `wanted` (processor time on a CPU, which others' load moves less); None
    where nothing is asked.
    """

    engine: str
    people: int
    step_seconds: float
    step_cpu_seconds: float
    time_ratio: float
    cpu_ratio: float
    panel_ratio: float
    flops: int
    flops_ratio: float
    unet_calls_per_step: float
    reference_net_calls_per_character: float
    encode_seconds: float
    first_condition_seconds: float
    condition_seconds: float
    wanted: float | None
    over: float | None


@dataclass(frozen=True)
class _Contender:
    """The plain base, or an engine with its people. `enrolled` and `conditioned` are None for the plain base."""

    name: str
    people: int
    prompt: PromptEmbeds
    prompt_seconds: float
    enrolled: Enrolled | None = None
    conditioned: Conditioned | None = None
    reference_calls: float = 0.0

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.people

    def step(self, model: Model) -> Callable[[], None]:
        return stepping(model.base, self.prompt, None if self.conditioned is None else self.conditioned.conditioning)

    def turn(self, model: Model) -> Turn:
        return Turn(self.step(model), (lambda: stock(model.base)) if self.conditioned is None else nullcontext)


def measure_costs(
    model: Model,
    *,
    engines: Sequence[str] = ENGINES,
    people: Sequence[int] = (1, 2, 3),
    rounds: int = 5,
    report: Report = unheard,
) -> list[Cost]:
    """The plain base first, then each engine with each number of people; they take turns at every step timed."""
    cast = tuple(stand_in(number) for number in range(max(people)))
    prompt, seconds = timed(lambda: plain_prompt(model.base, panel_of(cast)))
    contenders = [_Contender(PLAIN, 0, prompt, seconds)]
    with ExitStack() as active:
        for number, name in enumerate(engines):
            report(Progress(f"{model.name}: encoding", number, len(engines)))
            active.enter_context(model.engine(name).active())
            contenders += _with_engine(model, name, people, contenders[0])
        laps = take_turns(
            {one.key: one.turn(model) for one in contenders},
            rounds,
            lambda done: report(Progress(f"{model.name}: timing", done, rounds + 1)),
        )
        costs: list[Cost] = []
        for number, one in enumerate(contenders):
            report(Progress(f"{model.name}: counting", number, len(contenders)))
            costs.append(_cost(model, one, contenders[0], laps, costs[0] if costs else None))
    return costs


def _with_engine(model: Model, name: str, people: Sequence[int], plain: _Contender) -> list[_Contender]:
    """Its panels in turn, the most people first, as one comic: ReferenceNet's calls are counted over all of it."""
    cast = tuple(stand_in(number) for number in range(max(people)))
    engine = model.engine(name)
    counted = counting(engine.parts.reference_net) if isinstance(engine, AnyStory) else nullcontext([0])
    with counted as calls:
        enrolled = enrol(model, name, cast)
        made = {count: condition(enrolled, panel_of(cast[:count])) for count in sorted(people, reverse=True)}
    return [
        _Contender(name, count, made[count].prompt, plain.prompt_seconds, enrolled, made[count], calls[0] / len(cast))
        for count in people
    ]


def _cost(
    model: Model, one: _Contender, plain: _Contender, laps: Mapping[tuple[str, int], Laps], first: Cost | None
) -> Cost:
    own, others = laps[one.key], laps[plain.key]
    ratio = against(own, others)
    step, plain_step = statistics.median(own.wall), statistics.median(others.wall)
    later = plain.prompt_seconds if one.conditioned is None else one.conditioned.later
    flops = operations(one.turn(model))
    wanted = WANTED.get(one.key)
    measured = ratio.cpu if model.base.device.type == "cpu" else ratio.wall
    return Cost(
        engine=one.name,
        people=one.people,
        step_seconds=step,
        step_cpu_seconds=statistics.median(own.cpu),
        time_ratio=ratio.wall,
        cpu_ratio=ratio.cpu,
        panel_ratio=(later + PANEL_STEPS * ratio.wall * plain_step) / (plain.prompt_seconds + PANEL_STEPS * plain_step),
        flops=flops,
        flops_ratio=flops / (flops if first is None else first.flops),
        unet_calls_per_step=_unet_calls(model, one) / DRAWN_STEPS,
        reference_net_calls_per_character=one.reference_calls,
        encode_seconds=0.0 if one.enrolled is None else one.enrolled.seconds,
        first_condition_seconds=plain.prompt_seconds if one.conditioned is None else one.conditioned.first,
        condition_seconds=later,
        wanted=wanted,
        over=None if wanted is None else measured - wanted,
    )


def operations(turn: Turn) -> int:
    """Floating point operations of matrix products, convolutions and attention, as torch counts them."""
    uncounted = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    with turn.around(), FlopCounterMode(display=False, custom_mapping=uncounted) as counter:
        turn.run()
    settle()
    return int(counter.get_total_flops())


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Of the shapes; torch knows the formula, but not that the CPU's kernel is one of those that it fits."""
    return int(sdpa_flop_count(query, key, value))


def _unet_calls(model: Model, one: _Contender) -> int:
    conditioning = None if one.conditioned is None else one.conditioned.conditioning
    with counting(model.base.unet) as calls:
        draw_panel(model.base, one.prompt, conditioning, DRAWN_STEPS)
    return calls[0]
