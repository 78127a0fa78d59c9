"""What came out of a suite: means with intervals by table and painter, as JSON and, picture by picture, as CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inkcast.evaluation.groups import cids, differences, estimates, metrics_of, sections, story_characters
from inkcast.evaluation.intervals import Estimate
from inkcast.evaluation.suites import PLAIN, Commission, Seen, Suite
from inkcast.evaluation.toon_base import without_nan

Extra = Callable[[Sequence[Seen]], dict[str, dict[str, Estimate]]]


@dataclass(frozen=True)
class Shown:
    """One painter's pictures, where they lie and what was seen in them."""

    name: str
    digest: str
    paths: tuple[Path, ...]
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class Results:
    """`tables`: section -> painter -> metric. `gains`: the same less words alone, by picture. `extras`: painter ->
    group -> value, such as looks by kind. `chance`: section -> metric, what pictures of strangers would have."""

    suite: Suite
    facts: Mapping[str, Any]
    shown: tuple[Shown, ...]
    tables: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    gains: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    extras: Mapping[str, Mapping[str, Mapping[str, Estimate]]] = field(default_factory=dict)
    chance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def summary(suite: Suite, facts: Mapping[str, Any], gallery: Sequence[Shown], extra: Extra | None = None) -> Results:
    """All means with intervals. Stories' similarities count in the section "all" beside the sections' own."""
    places = sections(suite.commissions)
    if len(places) > 1 and any(one.cluster for one in suite.commissions):
        places = {**places, "all": list(range(len(suite.commissions)))}
    tables: dict[str, dict[str, dict[str, Estimate]]] = {}
    gains: dict[str, dict[str, dict[str, Estimate]]] = {}
    plain = next((one for one in gallery if one.name == PLAIN), None)
    for section, own in places.items():
        commissions = [suite.commissions[k] for k in own]
        for one in gallery:
            seen = [one.seen[k] for k in own]
            row = estimates(commissions, seen)
            if len({commission.cluster for commission in commissions}) < len(commissions):
                row |= cids(story_characters(commissions, seen))
            tables.setdefault(section, {})[one.name] = row
            if plain is not None and one is not plain:
                words = [plain.seen[k] for k in own]
                gains.setdefault(section, {})[one.name] = differences(commissions, seen, words)
    extras = {} if extra is None else {one.name: extra(one.seen) for one in gallery}
    chance = {section: by_chance(suite, own) for section, own in places.items()}
    return Results(suite, {"suite": suite.name, **facts}, tuple(gallery), tables, gains, extras, chance)


def by_chance(suite: Suite, places: Sequence[int]) -> dict[str, float]:
    """By metric, the mean over these commissions of what their pictures would have by chance."""
    known = [suite.chance.get(suite.commissions[place].key, {}) for place in places]
    return {name: float(np.mean([one[name] for one in known])) for name in (known[0] if known else ())}


def results_json(results: Results, figures: Mapping[str, Mapping[str, str]]) -> str:
    """`figures`: where each section's figures lie, by what they show."""
    found = {
        "facts": results.facts,
        "finished": True,
        "about": results.suite.about,
        "pictures": len(results.suite.commissions),
        "painters": {one.name: one.digest for one in results.shown},
        "tables": _plain(results.tables),
        "gains over words alone": _plain(results.gains),
        "extras": _plain(results.extras),
        "chance": results.chance,
        "figures": figures,
    }
    return json.dumps(without_nan(found), indent=2, allow_nan=False) + "\n"


def rows_of(results: Results, out: Path) -> str:
    """A line per picture, as CSV: who drew what from which words and seed, where it lies, and every number."""
    names = list(dict.fromkeys(name for one in results.shown for name in metrics_of(one.seen)))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["painter", "key", "section", "cluster", "block", "seed", "words", "picture", *names])
    for one in results.shown:
        for commission, path, seen in zip(results.suite.commissions, one.paths, one.seen, strict=True):
            place = Path(os.path.relpath(path, out)).as_posix()
            values = [_number(seen.scores.get(name)) for name in names]
            writer.writerow([one.name, *_known(commission), commission.words, place, *values])
    return stream.getvalue()


def members_of(results: Results, out: Path) -> str:
    """A line per member of a picture's cast, as CSV: in which picture of whom, and every number of its own."""
    everybody = [own for one in results.shown for seen in one.seen for own in seen.members.values()]
    names = list(dict.fromkeys(name for own in everybody for name in own))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["painter", "key", "section", "cluster", "block", "seed", "picture", "member", "name", *names])
    for one in results.shown:
        for commission, path, seen in zip(results.suite.commissions, one.paths, one.seen, strict=True):
            place = Path(os.path.relpath(path, out)).as_posix()
            for character in commission.cast:
                own = seen.members.get(character.id, {})
                values = [_number(own.get(name)) for name in names]
                writer.writerow([one.name, *_known(commission), place, character.id, character.name, *values])
    return stream.getvalue()


def _known(commission: Commission) -> list[str | int]:
    return [commission.key, commission.section, commission.cluster, commission.block, commission.seed]


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6g}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return asdict(value)
