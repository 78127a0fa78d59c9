"""How far a run is, and what its learning rate is there."""

from __future__ import annotations

import math

from inkcast.training.checkpoints import Progress
from inkcast.training.recipe import Recipe, Schedule


def done(recipe: Recipe, progress: Progress) -> float:
    """The fraction of the run that is behind, by updates or by the clock, whichever is further; 1 ends the run."""
    by_steps = progress.updates / recipe.steps if recipe.steps else 0.0
    by_clock = progress.seconds / (60 * recipe.max_minutes) if recipe.max_minutes else 0.0
    return min(max(by_steps, by_clock), 1.0)


def rate(schedule: Schedule, updates: int, fraction: float) -> float:
    """The factor on the learning rate before update `updates` (from 0), with `fraction` of the run behind."""
    warm = min((updates + 1) / (schedule.warmup + 1), 1.0)
    match schedule.decay:
        case "constant":
            left = 1.0
        case "linear":
            left = 1.0 - fraction
        case "cosine":
            left = 0.5 * (1.0 + math.cos(math.pi * fraction))
    dropped = schedule.drop_to if 0 < schedule.drop_after <= updates else 1.0
    return dropped * warm * (schedule.floor + (1.0 - schedule.floor) * left)
