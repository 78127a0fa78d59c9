"""Times of things that take turns, so that whatever else runs on the machine meets them all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Turn:
    """What is timed, and what surrounds it without being timed."""

    run: Callable[[], object]
    around: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Laps:
    """Seconds of each round: by the clock, and of the process's own processor time."""

    wall: Sequence[float]
    cpu: Sequence[float]


@dataclass(frozen=True)
class Against:
    """One thing's times as shares of another's: medians over the rounds, each round's two side by side."""

    wall: float
    cpu: float


def take_turns(turns: Mapping[K, Turn], rounds: int, seen: Callable[[int], None] = lambda done: None) -> dict[K, Laps]:
    """Each thing once a round, after one round to warm up; a round begins with another one each time."""
    laps: dict[K, tuple[list[float], list[float]]] = {name: ([], []) for name in turns}
    names = list(turns)
    for number in range(rounds + 1):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            wall, cpu = _timed(turns[name])
            if number:
                laps[name][0].append(wall)
                laps[name][1].append(cpu)
        seen(number + 1)
    return {name: Laps(*both) for name, both in laps.items()}


def _timed(turn: Turn) -> tuple[float, float]:
    with turn.around():
        settle()
        wall, cpu = time.perf_counter(), time.process_time()
        turn.run()
        settle()
        return time.perf_counter() - wall, time.process_time() - cpu


def settle() -> None:
    """Waits for a GPU to finish what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def against(laps: Laps, other: Laps) -> Against:
    return Against(_ratio(laps.wall, other.wall), _ratio(laps.cpu, other.cpu))


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
