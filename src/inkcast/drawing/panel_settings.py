"""A script's settings under `engine:`, against what the engines declare and who is in the cast."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from inkcast.cast.names import name_key
from inkcast.engines.registry import ENGINES
from inkcast.engines.settings import NAME, Setting, Settings, Somebody, Value
from inkcast.errors import SettingError
from inkcast.files import shown
from inkcast.story.script import Panel, Script


class Worn(Protocol):
    @property
    def state(self) -> str: ...


class Named(Protocol):
    """A character, or its entry in the library."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...

    @property
    def references(self) -> Sequence[Worn]: ...


People = Mapping[str, Named]  # by `name_key` of names and aliases
SEEDS = range(-(2**63), 2**63)  # of PyTorch's generators


@dataclass(frozen=True)
class Fault:
    """A setting or seed that nothing could come of. `panel` counts from 0; `told` goes on from "panel 3"."""

    panel: int
    where: tuple[str, ...]
    told: str

    @property
    def error(self) -> SettingError:
        return SettingError(f"panel {self.panel + 1} {self.told}", ("panels", self.panel, *self.where))


def people_of(cast: Iterable[Named]) -> People:
    return {name_key(name): one for one in cast for name in (one.name, *one.aliases)}


def check_settings(script: Script, cast: Iterable[Named] | None = None, engine: str = "") -> None:
    """Raises SettingError for the first fault. Settings of other engines than the one at work will do: a script may be
    drawn by several. Without a `cast` names may be anybody's."""
    for fault in faults(script, None if cast is None else people_of(cast), engine):
        raise fault.error


def faults(script: Script, people: People | None, engine: str = "") -> Iterator[Fault]:
    """`engine` is the one whose settings are offered instead; where it is none of ours, those of all."""
    for number, panel in enumerate(script.panels):
        given: dict[str, str] = {}
        for key, value in panel.engine.items():
            first = given.setdefault(_canonical(key, people or {}), key)
            told = _wrong_key(key, people, engine) or _wrong_value(key, value, people, engine)
            if not told and first != key:
                told = f"sets {shown(key)}, but {shown(first)} sets the same: leave one out"
            if told:
                yield Fault(number, ("engine", key), told)
        if panel.seed is not None and panel.seed not in SEEDS:
            yield Fault(number, ("seed",), f"has the seed {panel.seed}: use a whole number from 0 to {2**32 - 1}")


def idle_settings(panels: Iterable[tuple[int, Panel]], people: People, engine: str) -> tuple[str, ...]:
    """Notes on settings that only other engines read, and on those of somebody who is not shown, in numbered panels."""
    left: dict[str, list[str]] = {}
    absent = []
    for number, panel in panels:
        here = [people[key] for one in panel.characters if (key := name_key(one.name)) in people]
        for key in panel.engine:
            owner = _owner(key, people)
            if _is_ours(engine) and engine not in _declared()[_form(key)]:
                left.setdefault(_form(key), []).append(str(number))
            elif owner is not None and all(owner is not one for one in here):
                absent.append(f"panel {number} sets {shown(key)}, but does not show {owner.name}")
    notes = []
    for form, numbers in left.items():
        where = f"panel{'s' if len(set(numbers)) > 1 else ''} {', '.join(dict.fromkeys(numbers))}"
        notes.append(f"{engine} leaves {form} of {where} alone: it is for {' and '.join(_declared()[form])}")
    return (*notes, *absent)


def resolved(settings: Settings, people: People) -> Settings:
    """The settings, people and outfits in them under the names that they have in the cast."""
    return {_canonical(key, people): _lent(key, value, people) or value for key, value in settings.items()}


def lenders(settings: Settings, engine: str) -> list[str]:
    """Whom else, by name, the engine looks at for these settings; one that is none of ours may look at all."""
    return [
        str(value)
        for key, value in settings.items()
        if _somebody(key) and (engine in _declared()[_form(key)] or not _is_ours(engine))
    ]


def _wrong_key(key: str, people: People | None, engine: str) -> str:
    name, dot, who = key.partition(".")
    own, known = f"{name}.{NAME}", _declared()
    if name not in known and own not in known:
        return f"sets {shown(key)}, which no engine knows: {_instead(name, who, engine)}"
    if dot and own not in known:
        return f"sets {shown(key)}, but {name} is for the whole panel: write {name}"
    if not who.strip() and (dot or name not in known):
        return f"sets {shown(key)}, which is one character's own: write {own}"
    if dot and people is not None and name_key(who) not in people:
        return f"sets {shown(key)}, but nobody of the cast is called {shown(who)}: {_among(who, _names(people))}"
    return ""


def _wrong_value(key: str, value: Value, people: People | None, engine: str) -> str:
    readers = _declared()[_form(key)]
    reader = readers.get(engine) or next(iter(readers.values()))
    told = f"sets {shown(key)} to {shown(value) if isinstance(value, str) else str(value).lower()}"
    if not reader.allowed.fits(value):
        return f"{told}: use {reader.allowed.told}"
    somebody = _somebody(key)
    if somebody is None or people is None or _lent(key, value, people):
        return ""
    owner = _owner(key, people)
    if not somebody.outfits or owner is None:
        return f"{told}, who is not in the cast: {_among(str(value), _names(people))}"
    outfits = list(_outfits(owner).values())
    advice = _among(str(value), _names(people), outfits)
    worn = f"; outfits of {owner.name}: {', '.join(outfits)}" if outfits else ""
    return f"{told}, which is nobody of the cast and no outfit of {owner.name}: {advice}{worn}"


@cache
def _declared() -> Mapping[str, Mapping[str, Setting]]:
    """Settings by form, then by engine."""
    found: dict[str, dict[str, Setting]] = {}
    for info in ENGINES:
        for setting in info.settings():
            for form in setting.forms:
                found.setdefault(form, {})[info.name] = setting
    return found


def _is_ours(engine: str) -> bool:
    return any(info.name == engine for info in ENGINES)


def _form(key: str) -> str:
    name, dot, _ = key.partition(".")
    return f"{name}.{NAME}" if dot else name


def _owner(key: str, people: People) -> Named | None:
    return people.get(name_key(key.partition(".")[2])) if "." in key else None


def _canonical(key: str, people: People) -> str:
    owner = _owner(key, people)
    return key if owner is None else f"{key.partition('.')[0]}.{owner.name}"


def _somebody(key: str) -> Somebody | None:
    """How a setting names somebody, where it does."""
    readers = _declared().get(_form(key), {}).values()
    return next((one.allowed for one in readers if isinstance(one.allowed, Somebody)), None)


def _lent(key: str, value: Value, people: People) -> str:
    """Whom or which outfit the value names, by the name in the cast; empty for no such one."""
    somebody, owner = _somebody(key), _owner(key, people)
    if somebody is None or not isinstance(value, str):
        return ""
    if name_key(value) in people:
        return people[name_key(value)].name
    return _outfits(owner).get(name_key(value), "") if somebody.outfits and owner is not None else ""


def _outfits(who: Named) -> dict[str, str]:
    """Those that some picture shows."""
    return {name_key(one.state): one.state for one in who.references if one.state}


def _names(people: People) -> list[str]:
    return list(dict.fromkeys(one.name for one in people.values()))


def _close(word: str, words: Iterable[str]) -> str:
    """The one of `words` that is most like it, if one is."""
    folded = {one.casefold(): one for one in words}
    found = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[found[0]] if found else ""


def _among(word: str, names: Sequence[str], others: Sequence[str] = ()) -> str:
    close = _close(word, (*names, *others))
    cast = f"he cast is {', '.join(names) or 'empty'}"
    return f"did you mean {shown(close)}? T{cast}" if close else f"t{cast}"


def _instead(name: str, who: str, engine: str) -> str:
    """What an unknown setting may have been meant to be, and what there is."""
    offers = [info for info in ENGINES if info.name == engine] or ENGINES
    listed = "; ".join(
        f"{info.name} has {', '.join(form for setting in info.settings() for form in setting.forms)}" for info in offers
    )
    close = _close(name, (form.partition(".")[0] for form in _declared()))
    if not close:
        return listed
    own = f"{close}.{NAME}"
    form = own if own in _declared() and (who or close not in _declared()) else close
    readers = _declared()[form]
    whose = "" if engine in readers or not _is_ours(engine) else f" ({' and '.join(readers)})"
    return f"did you mean {shown(form.replace(NAME, who) if who else form)}{whose}? {listed}"
