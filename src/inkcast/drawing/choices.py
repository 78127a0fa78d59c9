"""The choices that decide the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True)
class Lora:
    """A .safetensors file of a user's, and how strongly it acts."""

    file: Path
    scale: float = 1.0


@dataclass(frozen=True)
class Drawing:
    """What an author may choose about drawing; empty, None or no steps: as the engine or the base has it.

    `poses` are pictures whose poses the panels take, in turn; `loras` act on the base all the while;
    `save_routes` asks for maps of where characters acted, layer by layer at the steps `routes_at`, from 1; none: five.
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
    loras: tuple[Lora, ...] = ()
    save_routes: bool = False
    routes_at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Origin:
    """The weights that draw: the base's family and digest, and the digests of the engine's own parts and of LoRAs."""

    family: str
    base: str
    engine: str
    loras: tuple[str, ...] = ()
