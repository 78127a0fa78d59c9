"""The choices that decide the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True)
class Drawing:
    """What an author may choose about drawing; empty, None or no steps: as the engine or the base has it.

    `poses` are pictures whose poses the panels take, in turn; `save_routes` asks for maps of where characters acted.
    """

    engine: str = ""
    base: str = "toon"
    style: str = ""
    steps: int = 0
    guidance: float | None = None
    scheduler: str = ""
    negative: str = ""
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    low_vram: bool = False
    poses: tuple[Path, ...] = ()
    save_routes: bool = False


@dataclass(frozen=True)
class Origin:
    """The weights that draw: the base's family and digest, and the digest of the engine's own parts."""

    family: str
    base: str
    engine: str
