"""The oracle against a person: generated pictures to be labelled by eye, and how far both agree."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inkcast.errors import UsageError
from inkcast.evaluation.batches import Batching, draw_all
from inkcast.evaluation.intervals import Estimate, bootstrap
from inkcast.evaluation.matching import figures, shared
from inkcast.evaluation.oracle import LookReading, OracleReader, SceneReading
from inkcast.evaluation.toon_base import without_nan
from inkcast.evaluation.toon_report import grid
from inkcast.evaluation.toon_words import plain, unseen_prompts
from inkcast.events import Report, counted, unheard
from inkcast.files import refuse_existing, replacing_folder, write_text
from inkcast.images import save_png
from inkcast.sdxl.backbone import Backbone
from inkcast.toon.world import ACTIONS, KINDS, PLACES
from inkcast.vision.detector import ToonDetector

LABELS, AGREEMENT = "labels.csv", "agreement.json"
FIELDS = ("number", "place", "count", "kinds", "actions")
WORDS: Mapping[str, Sequence[str]] = {
    "place": PLACES,
    "count": tuple("01234"),
    "kinds": KINDS,
    "actions": ACTIONS,
}
COLUMNS, ROWS = 5, 4


@dataclass(frozen=True)
class Eye:
    """What a person saw in one picture; empty where they could not tell. `kinds` and `actions` of the characters."""

    place: str = ""
    count: str = ""
    kinds: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


def draw_unseen(
    base: Backbone, count: int, seed: int, batching: Batching, report: Report = unheard
) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures of unseen prompts, looks mentioned half of the time, as `evaluate toon-base` draws them."""
    prompts, drawn = unseen_prompts(count, seed), counted(report, "words", count)
    return draw_all(base, [plain(base, one.text) for one in prompts], [one.seed for one in prompts], batching, drawn)


def write_sheets(
    pictures: UInt8[np.ndarray, "n h w 3"], out: Path, overwrite: bool = False, labels: Path | None = None
) -> None:
    """Numbered contact sheets at twice the size, and `labels.csv` to be filled in, or as a person filled in `labels`.

    Raises:
        OutputError: `out` holds something already that is not to be replaced, or cannot be written.
    """
    empty = ",".join(FIELDS) + "\n" + "".join(f"{number},,,,\n" for number in range(1, len(pictures) + 1))
    filled = empty if labels is None else labels.read_text(encoding="utf-8")  # `labels` may lie in `out`
    with replacing_folder(out, LABELS, overwrite=overwrite) as folder:
        numbered_pictures = np.stack([numbered(picture, number) for number, picture in enumerate(pictures, 1)])
        for sheet, start in enumerate(range(0, len(pictures), COLUMNS * ROWS), 1):
            part = numbered_pictures[start : start + COLUMNS * ROWS]
            save_png(Image.fromarray(grid(part, COLUMNS)), folder / f"sheet-{sheet:02}.png")
        write_text(folder / LABELS, filled)


def numbered(picture: UInt8[np.ndarray, "h w 3"], number: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    large = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    for color, width in (((255, 255, 255), 4), ((0, 0, 0), 1)):
        cv2.putText(large, str(number), (5, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, color, width, cv2.LINE_AA)
    return large


def read_labels(path: Path) -> dict[int, Eye]:
    """Labels by picture number; several kinds or actions in one field are parted by `+`.

    Raises:
        UsageError: names the line and the word that is none of the drawn world's.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"labels '{path}' cannot be read: {error}") from error
    if not rows or tuple(rows[0]) != FIELDS:
        raise UsageError(f"labels '{path}' need a first line with the fields {','.join(FIELDS)}")
    seen: dict[int, Eye] = {}
    for line, row in enumerate(rows, 2):
        values = {name: tuple(w.strip() for w in (row[name] or "").split("+") if w.strip()) for name in FIELDS[1:]}
        for name, words in values.items():
            for word in words:
                if word not in WORDS[name]:
                    raise UsageError(
                        f"labels '{path}', line {line}: {name} '{word}' is none of {', '.join(WORDS[name])}"
                    )
        place, count = ("".join(values[name][:1]) for name in ("place", "count"))
        if not (row["number"] or "").isdecimal() or not int(row["number"]):
            raise UsageError(f"labels '{path}', line {line}: '{row['number']}' is no number of a picture")
        seen[int(row["number"])] = Eye(place, count, values["kinds"], values["actions"])
    return seen


def agreement(
    labels: Mapping[int, Eye], scenes: Sequence[SceneReading], people: Sequence[Sequence[LookReading]]
) -> dict[str, Estimate]:
    """Per question the share of pictures in which the oracle says what the person saw; of kinds and actions, the share
    of the characters labelled."""
    found: dict[str, list[float]] = {name: [] for name in FIELDS[1:]}
    for number, eye in labels.items():
        scene, readings = scenes[number - 1], people[number - 1]
        for name, said in (("place", eye.place), ("count", eye.count)):
            if said:
                found[name].append(float(scene.words[name] == said))
        for name, wanted, word in (("kinds", eye.kinds, "kind"), ("actions", eye.actions, "action")):
            if wanted:
                found[name].append(shared(wanted, [reading.word(word) for reading in readings]))
    return {name: bootstrap(values) for name, values in found.items() if values}


def evaluate_by_eye(
    base: Backbone,
    oracle: OracleReader,
    detector: ToonDetector,
    out: Path,
    *,
    count: int,
    seed: int,
    batching: Batching,
    labels: Path | None = None,
    overwrite: bool = False,
    report: Report = unheard,
) -> dict[str, Estimate]:
    """Draws and writes the sheets; with `labels`, also these and `agreement.json` of the oracle with them.

    Raises:
        UsageError: the labels cannot be read or are of more pictures than are drawn.
        OutputError: as `write_sheets` says, before anything is drawn.
    """
    refuse_existing(out, LABELS, overwrite=overwrite)
    seen = read_labels(labels) if labels else {}
    if seen and max(seen) > count:
        raise UsageError(f"labels '{labels}' are of {max(seen)} pictures but {count} are drawn: say --prompts")
    pictures = draw_unseen(base, count, seed, batching, report)
    write_sheets(pictures, out, overwrite, labels)
    if not seen:
        return {}
    result = agreement(seen, oracle.scenes(pictures), figures(oracle, detector, pictures))
    facts = {"base": base.digest, "labels": len(seen), "agreement": {k: asdict(v) for k, v in result.items()}}
    write_text(out / AGREEMENT, json.dumps(without_nan(facts), indent=2, allow_nan=False) + "\n")
    return result
