"""Every engine beside the plain base on one model after the other, as one table of figures."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from inkcast.benchmarking.costs import Cost, measure_costs
from inkcast.benchmarking.memory import peak_memory
from inkcast.benchmarking.models import ENGINES, Model, Scale, model_of
from inkcast.benchmarking.panels import PLAIN
from inkcast.benchmarking.parts import Part, measure_learning, measure_reference_net
from inkcast.events import Progress, Report, unheard
from inkcast.sdxl.backbone import choose_dtype


@dataclass(frozen=True)
class Peak:
    """The most memory of a process that draws two steps of the panel: resident on a CPU, allocated on a GPU."""

    engine: str
    people: int
    megabytes: float
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """What was measured on one model; `skipped` says why nothing was."""

    model: str
    about: str
    device: str = ""
    dtype: str = ""
    skipped: str = ""
    costs: tuple[Cost, ...] = ()
    peaks: tuple[Peak, ...] = ()
    reference_net: Part | None = None
    learning: Part | None = None


@dataclass(frozen=True)
class Plan:
    """What is asked for. `rounds` are those of a step's timing; `memory` measures it too, in a process per row. Only
    full size asks for the `device`: "cpu" measures it there, at half the side."""

    scales: Sequence[Scale]
    engines: Sequence[str] = ENGINES
    people: Sequence[int] = (1, 2, 3)
    rounds: int = 5
    memory: bool = True
    device: str = "auto"


@dataclass(frozen=True)
class Machine:
    """Where the figures come from. `dtype` is what a drawing takes here by itself; `amx`: bfloat16 is fast here."""

    processor: str
    cores: int
    threads: int
    gpu: str
    torch: str
    amx: bool
    dtype: str


def this_machine() -> Machine:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    dtype = choose_dtype(torch.device("cuda" if gpu else "cpu"))
    return Machine(
        platform.processor() or platform.machine(),
        os.cpu_count() or 1,
        torch.get_num_threads(),
        gpu,
        torch.__version__,
        torch.cpu._is_amx_tile_supported(),
        str(dtype).removeprefix("torch."),
    )


def compare(plan: Plan, report: Report = unheard) -> Iterator[Comparison]:
    """One scale after the other, each given up before the next is made."""
    for scale in plan.scales:
        report(Progress(f"{scale}: making", 0, 1))
        model = model_of(scale, plan.device)
        if model is None:
            wanting = "no GPU here: --device cpu measures full size there, in bfloat16 (16 GB with one --engine)"
            yield Comparison(scale, "SDXL at full size", skipped=wanting)
            continue
        found = measured(model, plan, report)
        del model
        yield found if not plan.memory else _with_peaks(found, scale, plan, report)


def measured(model: Model, plan: Plan, report: Report = unheard) -> Comparison:
    """All but memory."""
    costs = measure_costs(model, engines=plan.engines, people=plan.people, rounds=plan.rounds, report=report)
    return Comparison(
        model.name,
        model.about,
        str(model.base.device),
        str(model.base.dtype).removeprefix("torch."),
        costs=tuple(costs),
        reference_net=measure_reference_net(model, plan.rounds) if "any-story" in plan.engines else None,
        learning=measure_learning(model, plan.rounds) if "stable-identity" in plan.engines else None,
    )


def _with_peaks(found: Comparison, scale: Scale, plan: Plan, report: Report) -> Comparison:
    rows = [(PLAIN, 0), *((engine, people) for engine in plan.engines for people in plan.people)]
    taken: list[int] = []
    for number, (engine, people) in enumerate(rows):
        report(Progress(f"{scale}: memory", number, len(rows)))
        taken.append(peak_memory(scale, engine, max(people, 1), plan.device))
    peaks = tuple(
        Peak(engine, people, round(own / 1e6, 1), own / taken[0])
        for (engine, people), own in zip(rows, taken, strict=True)
    )
    return replace(found, peaks=peaks)
