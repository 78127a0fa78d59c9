"""What a panel may set under `engine:`. Each engine declares its settings beside what reads them, as `SETTINGS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from inkcast.errors import EngineError

Value = str | int | float | bool
Settings = Mapping[str, Value]
NAME = "NAME"  # stands for a character in a setting's forms


class Allowed(Protocol):
    """What a value may be; `told` says so to an author."""

    @property
    def told(self) -> str: ...

    def fits(self, value: Value) -> bool: ...


@dataclass(frozen=True)
class Number:
    """From 0 to `most`."""

    most: float = 10.0

    @property
    def told(self) -> str:
        return f"a number from 0 (off) to {self.most:g}"

    def fits(self, value: Value) -> bool:
        return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= self.most


@dataclass(frozen=True)
class Choice:
    words: tuple[str, ...]

    @property
    def told(self) -> str:
        return f"one of {', '.join(self.words)}"

    def fits(self, value: Value) -> bool:
        return value in self.words


@dataclass(frozen=True)
class Switch:
    told: str = "true or false"

    def fits(self, value: Value) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Somebody:
    """A name of the cast, or with `outfits` that of an outfit of the character whose setting it is."""

    outfits: bool = False

    @property
    def told(self) -> str:
        return f"the name of a character of the cast{', or of an outfit of this one' if self.outfits else ''}"

    def fits(self, value: Value) -> bool:
        return isinstance(value, str)


@dataclass(frozen=True)
class Setting:
    """A setting of the `whole` panel (`name`), of one member as their `own` (`name.NAME`), or both."""

    name: str
    allowed: Allowed
    whole: bool = True
    own: bool = False

    @property
    def forms(self) -> tuple[str, ...]:
        """How it is written."""
        return (self.name,) * self.whole + (f"{self.name}.{NAME}",) * self.own

    def of(self, settings: Settings, otherwise: Value, who: str = "") -> Value:
        """The panel's value, or with `who` that member's own, else `otherwise`; raises EngineError for one that may not
        be."""
        key = f"{self.name}.{who}" if who else self.name
        if key not in settings:
            return otherwise
        if not self.allowed.fits(settings[key]):
            raise EngineError(f"{key} is {settings[key]!r}: use {self.allowed.told}")
        return settings[key]
