"""A recipe: everything one training run is told, read from TOML into frozen models that refuse unknown keys."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inkcast.errors import TrainingError, UsageError

Model = TypeVar("Model", bound=BaseModel)


class Table(BaseModel):
    """Base of every table of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimizer(Table):
    """AdamW (Loshchilov & Hutter 2019). `clip` is the greatest norm of the whole gradient; 0 leaves it alone."""

    learning_rate: float = Field(default=1e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.01, ge=0)
    epsilon: float = Field(default=1e-8, gt=0)
    clip: float = Field(default=1.0, ge=0)


class Schedule(Table):
    """Linear warm-up over `warmup` updates, then decay to `floor` times the rate at the end of the run.

    From update `drop_after` on (0: never) the rate is `drop_to` times that.
    """

    warmup: int = Field(default=0, ge=0)
    decay: Literal["constant", "linear", "cosine"] = "linear"
    floor: float = Field(default=0.0, ge=0, le=1)
    drop_after: int = Field(default=0, ge=0)
    drop_to: float = Field(default=0.5, gt=0)


class Checkpoints(Table):
    """A checkpoint every `every` updates and every `minutes`, whichever comes first (0: never by that measure)."""

    every: int = Field(default=1000, ge=0)
    minutes: float = Field(default=5.0, ge=0)
    keep: int = Field(default=2, ge=1)


class Loader(Table):
    """Where samples are made: `workers` processes (0: in the training process), each `prefetch` batches ahead."""

    workers: int = Field(default=1, ge=0)
    prefetch: int = Field(default=4, ge=1)


class Sharding(Table):
    """FSDP: with `on`, several processes hold the trained weights and the optimiser's state in parts, for models that
    do not fit a device whole. Blocks of at least `unit` parameters are gathered one at a time."""

    on: bool = False
    unit: int = Field(default=1_000_000, ge=1)


class Recipe(Table):
    """One run. `batch` counts samples per update over all processes and accumulated parts.

    `steps` and `max_minutes` bound the run; with both, whichever is nearer its end drives the schedule, so that a run
    of stated length ends annealed. `device` "auto" is a GPU where there is one. `parameters` is the objective's own
    table, checked by that objective.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    objective: str
    out: Path | None = None
    init: Path | None = None
    export: Path | None = None
    seed: int = 0
    steps: int = Field(default=0, ge=0)
    max_minutes: float = Field(default=0.0, ge=0)
    batch: int = Field(default=8, ge=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    channels_last: bool = False
    compile: bool = False
    gradient_checkpointing: bool = False
    ema: float = Field(default=0.0, ge=0, lt=1)
    log_every: int = Field(default=20, ge=1)
    sample_every: int = Field(default=1000, ge=0)
    tensorboard: bool = False
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    checkpoints: Checkpoints = Checkpoints()
    loader: Loader = Loader()
    sharding: Sharding = Sharding()
    parameters: dict[str, Any] = {}

    @property
    def folder(self) -> Path:
        """Where the run lies: `out`, or `runs/<name>`."""
        return self.out or Path("runs") / self.name


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file, with `key.path=value` overrides (values as TOML, else as plain text) put over it.

    Raises `TrainingError` for a file that cannot be read and `UsageError` for unknown keys or wrong values.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(
            f"recipe {path}: {error.strerror}; name a TOML file such as recipes/toon-vae.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"recipe {path} is not TOML: {error}") from None
    for override in overrides:
        put(table, override)
    return check(Recipe, table, f"recipe {path}")


def put(table: dict[str, Any], override: str) -> None:
    """Puts `a.b=value` into nested tables, in place; `a.b=` takes the key out, so that its default holds."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(f"--set {override}: write key=value, for example --set optimizer.learning_rate=1e-4")
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {override}: '{part}' is a value, not a table")
    if text.strip():
        table[parts[-1]] = toml_value(text.strip())
    else:
        table.pop(parts[-1], None)


def toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def check(model: type[Model], table: dict[str, Any], where: str) -> Model:
    """The table as a `model`; `UsageError` naming the first key that does not fit and what was found there."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: {key} = {first['input']!r}: {first['msg'].lower()}") from None
