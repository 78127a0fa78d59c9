"""Which engines a base can draw with; loads no weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inkcast import assets
from inkcast.engines.registry import ENGINES, EngineInfo
from inkcast.errors import BaseModelError, UsageError


@dataclass(frozen=True)
class Surveyed:
    """An engine and what a base holds of it: parts that it `needs`, that are `present` and `missing`; `ready` is none
    missing. `learns_with` and `missing_to_learn` are the same of an engine that learns each face. `non_commercial`
    names weights among them that must not be used for money."""

    name: str
    title: str
    source: str
    families: tuple[str, ...]
    licence: str
    weights: str
    missing: tuple[str, ...]
    ready: bool
    needs: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    learns_with: tuple[str, ...] = ()
    missing_to_learn: tuple[str, ...] = ()
    non_commercial: tuple[str, ...] = ()


def survey(base: str = "toon") -> tuple[Surveyed, ...]:
    """Every engine with what `base` lacks for it; loads no weights."""
    folder, family = _found(base)
    return tuple(
        Surveyed(
            info.name,
            info.title,
            info.source,
            info.families,
            info.licence,
            info.weights,
            missing,
            not missing,
            info.needs,
            info.present(folder),
            info.learns_with,
            info.missing_to_learn(folder),
            info.non_commercial,
        )
        for info in ENGINES
        for missing in (_missing(info, folder, family),)
    )


def _missing(info: EngineInfo, folder: Path | None, family: str) -> tuple[str, ...]:
    """Parts, or a base of its families where this is of none of them; of an unknown `family` only parts are missed."""
    if family and family not in info.families:
        return (f"a base of family {' or '.join(info.families)}",)
    return info.missing(folder)


def companions(base: str) -> Path | None:
    """The folder that holds a base's engine parts, if there is one; downloads nothing."""
    return _found(base)[0]


def _found(base: str) -> tuple[Path | None, str]:
    """A base's companions and its family, which is empty for one of the hub, of which nothing is downloaded here."""
    from inkcast.sdxl.source import beside_hub, find_source, is_hub_id

    if base == "toon":
        try:
            return assets.toon_weights(), "sdxl"
        except BaseModelError:
            return None, "sdxl"
    if is_hub_id(base):
        return beside_hub(base), ""
    if not Path(base).expanduser().exists():
        raise UsageError(f"no base at {base!r}: give toon, a folder, a .safetensors file or a hub id")
    source = find_source(base)
    return source.companions, source.family
