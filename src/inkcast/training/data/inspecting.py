"""Looking a data set over: counts, whether shards are whole, what was set aside and why, a contact sheet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from pydantic import ValidationError

from inkcast.errors import TrainingError
from inkcast.events import Progress, Report, unheard
from inkcast.files import shown
from inkcast.training.data.schema import Broken, Kind, Record, SubjectSample
from inkcast.training.data.shards import BROKEN, Shards, digest_of
from inkcast.vision.pose import COLORS

CELL = 160
COLUMNS = 8
_NAMED = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(\.\d+)?")


class Inspection(Record):
    """What a data set holds. `subjects` counts samples by their number of views or people; `cuts` how masks were found;
    `damaged` names shards whose bytes are not those of the build; `reasons` groups what was set aside."""

    kind: Kind
    samples: int
    shards: int
    bytes: int
    pictures: int
    captioned: int
    words: float
    subjects: dict[int, int]
    labels: dict[str, int]
    origins: dict[str, int]
    cuts: dict[str, int]
    faces: int
    embeddings: int
    skeletons: int
    sides: tuple[int, int]
    damaged: tuple[str, ...]
    broken: int
    reasons: dict[str, int]


def inspect(folder: Path, *, verify: bool = True, report: Report = unheard) -> Inspection:
    """Reads all metadata and, with `verify`, every byte of every shard.

    Raises:
        TrainingError: no finished data set lies there, or its metadata do not fit the schema.
    """
    shards, counted = Shards(folder), Counter[str]()
    tallies: dict[str, Counter[str]] = {name: Counter() for name in ("subjects", "labels", "origins", "cuts")}
    sides: list[int] = []
    for number in range(len(shards)):
        meta = shards.meta(number)
        if isinstance(meta, SubjectSample):
            pictures, people = [view.picture for view in meta.views], len(meta.views)
            faces = [view.face for view in meta.views]
            tallies["labels"][meta.label] += 1
            tallies["origins"][meta.origin] += 1
            tallies["cuts"].update(view.cut for view in meta.views)
        else:
            pictures, people = [meta.picture], len(meta.people)
            faces = [person.face for person in meta.people]
            tallies["labels"].update(person.label for person in meta.people)
            counted["skeletons"] += sum(person.skeleton is not None for person in meta.people)
        tallies["subjects"][str(people)] += 1
        counted["pictures"] += len(pictures)
        counted["captioned"] += sum(bool(picture.caption) for picture in pictures)
        counted["words"] += sum(len(picture.caption.split()) for picture in pictures)
        counted["faces"] += sum(face is not None for face in faces)
        counted["embeddings"] += sum(face is not None and face.embedding is not None for face in faces)
        sides += [min(picture.width, picture.height) for picture in pictures]
        report(Progress("samples", number + 1, len(shards)))
    set_aside = read_broken(folder)
    damaged = damaged_shards(shards, report) if verify else ()
    return Inspection(
        kind=shards.kind,
        samples=len(shards),
        shards=len(shards.index.shards),
        bytes=sum(line.size for line in shards.index.shards),
        pictures=counted["pictures"],
        captioned=counted["captioned"],
        words=round(counted["words"] / max(counted["captioned"], 1), 1),
        subjects={int(count): number for count, number in sorted(tallies["subjects"].items())},
        labels=dict(tallies["labels"].most_common()),
        origins=dict(tallies["origins"].most_common()),
        cuts=dict(tallies["cuts"].most_common()),
        faces=counted["faces"],
        embeddings=counted["embeddings"],
        skeletons=counted["skeletons"],
        sides=(min(sides, default=0), max(sides, default=0)),
        damaged=damaged,
        broken=len(set_aside),
        reasons=dict(Counter(_NAMED.sub("…", entry.reason) for entry in set_aside).most_common()),
    )


def read_broken(folder: Path) -> tuple[Broken, ...]:
    """What the build set aside; raises `TrainingError` where its list is damaged."""
    path = folder / BROKEN
    try:
        return tuple(Broken.model_validate_json(line) for line in path.read_bytes().splitlines() if line)
    except (OSError, ValidationError) as error:
        raise TrainingError(f"cannot read {shown(path)}; build the data again") from error


def damaged_shards(shards: Shards, report: Report = unheard) -> tuple[str, ...]:
    """Shards that are missing, or whose digest is not the index's."""
    found = []
    lines = shards.index.shards
    for number, line in enumerate(lines, 1):
        path = shards.folder / line.file
        if not path.is_file() or digest_of(path) != line.sha256:
            found.append(line.file)
        report(Progress("shards", number, len(lines)))
    return tuple(found)


def contact_sheet(shards: Shards, count: int = 24) -> Image.Image:
    """`count` samples spread over the data set, subjects in their colours' outlines, what is none of them paled.

    Paired subjects show their first two views side by side.
    """
    step = max(1, len(shards) // count)
    cells = [cell for number in list(range(0, len(shards), step))[:count] for cell in _cells(shards, number)]
    if not cells:
        raise TrainingError(f"no samples in {shown(shards.folder)}: see its {BROKEN} for why")
    rows = -(-len(cells) // COLUMNS)
    sheet = np.full((rows * CELL, min(COLUMNS, len(cells)) * CELL, 3), 255, np.uint8)
    for place, cell in enumerate(cells):
        y, x = place // COLUMNS * CELL, place % COLUMNS * CELL
        sheet[y : y + CELL, x : x + CELL] = cell
    return Image.fromarray(sheet)


def _cells(shards: Shards, number: int) -> Iterator[UInt8[np.ndarray, "cell cell 3"]]:
    stored = shards[number]
    if isinstance(stored.meta, SubjectSample):
        for view in stored.meta.views[:2]:
            yield _cell(stored.picture(view.picture.file), [stored.mask(view.mask)])
    else:
        masks = [stored.mask(person.mask) for person in stored.meta.people]
        yield _cell(stored.picture(stored.meta.picture.file), masks)


def _cell(
    picture: UInt8[np.ndarray, "h w 3"], masks: list[Bool[np.ndarray, "h w"]]
) -> UInt8[np.ndarray, "cell cell 3"]:
    """The picture, letterboxed; the background half white; each subject outlined."""
    anybody = np.any(masks, axis=0)
    paled = np.where(anybody[..., None], picture, picture // 2 + 127).astype(np.uint8)
    scale = CELL / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(paled, size, interpolation=cv2.INTER_AREA)
    for number, mask in enumerate(masks):
        outline = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(small, contours, -1, COLORS[number * 5 % len(COLORS)], 1)
    cell = np.full((CELL, CELL, 3), 255, np.uint8)
    top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell
