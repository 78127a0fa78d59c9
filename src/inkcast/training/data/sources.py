"""Reading what data are built from: folder trees, manifests (JSONL or CSV), StoryMaker's JSON.

An entry that cannot be used becomes an `UnreadItem`, so that one bad line does not stop a build of a million.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from inkcast.errors import TrainingError
from inkcast.files import shown
from inkcast.training.data.items import Item, Known, PeopleItem, PersonItem, SubjectItem, UnreadItem, ViewItem, key_of
from inkcast.training.data.schema import Kind, Origin

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp"})
MASK = ".mask"
_IS_MASK = re.compile(r"\.mask(-\d+)?$")
PERSON_COLORS = ((0, 0, 255), (0, 255, 0), (255, 0, 0))
"""StoryMaker's first, second and third person: blue, green, red, as RGB."""
_NO_JSON = (
    ValueError,
    RecursionError,
)  # also numbers too long and lists too deep to be read; pydantic's are ValueErrors


class ViewLine(Known):
    picture: str
    mask: str | None = None
    caption: str = ""
    frame: float | None = None
    azimuth: float | None = None


class SubjectLine(Known):
    """A line of a JSONL manifest for `subjects`."""

    subject: str
    views: tuple[ViewLine, ...]
    label: str = ""
    origin: Origin = "image"
    rights: str = ""


class PersonLine(Known):
    mask: str
    face: str | None = None
    label: str = ""


class PictureLine(Known):
    """A line of a JSONL manifest for `people`."""

    picture: str
    caption: str = ""
    rights: str = ""
    pose: str | None = None
    people: tuple[PersonLine, ...] = ()


class StoryMakerLine(Known):
    """One entry of StoryMaker's file: picture, pose map, colour mask, caption, number of people, folder of faces."""

    picture: str
    pose: str
    mask: str
    caption: str
    count: int = Field(ge=1, le=len(PERSON_COLORS))
    faces: str


def read_source(source: Path, kind: Kind, root: Path | None = None) -> tuple[Item, ...]:
    """What lies in a folder tree, a .jsonl or .csv manifest, or a .json of StoryMaker's, in a fixed order.

    Paths in a manifest are relative to `root` (by default the manifest's folder) and must lie inside it.

    Raises:
        TrainingError: the source is missing, of another format, or holds nothing.
    """
    if source.is_dir():
        found = _subject_folders(source) if kind == "subjects" else _people_tree(source)
    else:
        text, inside = _text(source), Inside((root or source.parent).resolve())
        match source.suffix.lower(), kind:
            case ".jsonl", _:
                found = _jsonl(text, source, kind, inside)
            case ".csv", _:
                found = _csv(text, source, kind, inside)
            case ".json", "people":
                found = _story_maker(text, source, inside)
            case _:
                raise TrainingError(
                    f"{shown(source)} is no source of {kind}: name a folder, a .jsonl or .csv manifest"
                    + (", or a .json of StoryMaker's" if kind == "people" else "")
                )
    items = tuple(item.model_copy(update={"key": key_of(number)}) for number, item in enumerate(found))
    if not items:
        raise TrainingError(f"{shown(source)} holds no pictures ({', '.join(sorted(PICTURES))})")
    return items


class Inside:
    """Turns paths of a manifest into paths on disk; refuses those that leave the folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str) -> Path:
        try:
            path = (self.root / name).resolve()
        except (OSError, ValueError) as error:
            raise TrainingError(f"{shown(name)} is no path") from error
        if not path.is_relative_to(self.root):
            raise TrainingError(f"{shown(name)} lies outside of {shown(self.root)}; name the folder by --root")
        return path

    def maybe(self, name: str | None) -> Path | None:
        return self(name) if name else None


def _text(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TrainingError(f"cannot read {shown(source)}: {error.strerror}; name a folder or a manifest") from error
    except UnicodeDecodeError as error:
        raise TrainingError(f"{shown(source)} is not UTF-8 text; save it as such") from error


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.name.startswith(".") and not _IS_MASK.search(path.stem)


def _beside(picture: Path, suffix: str) -> Path | None:
    path = picture.with_name(picture.stem + suffix)
    return path if path.is_file() else None


def _words(picture: Path) -> str:
    note = _beside(picture, ".txt")
    return " ".join(note.read_text(encoding="utf-8", errors="replace").split()) if note else ""


def _subject_folders(root: Path) -> Iterator[Item]:
    """Every folder with pictures is a subject, `label.txt` its label; `a.mask.png` and `a.txt` belong to `a.jpg`."""
    for folder in sorted({path.parent for path in root.rglob("*") if path.is_file() and _is_picture(path)}):
        pictures = sorted(path for path in folder.iterdir() if path.is_file() and _is_picture(path))
        views = tuple(
            ViewItem(picture=path, mask=_beside(path, f"{MASK}.png"), caption=_words(path)) for path in pictures
        )
        name = folder.relative_to(root).as_posix()
        yield SubjectItem(key="", source=str(folder), subject=name, label=_words(folder / "label"), views=views)


def _people_tree(root: Path) -> Iterator[Item]:
    """Every picture is a sample; `a.mask-1.png`, `a.mask-2.png` … and `a.txt` belong to `a.jpg`."""
    for path in sorted(path for path in root.rglob("*") if path.is_file() and _is_picture(path)):
        masks: list[Path] = []
        while mask := _beside(path, f"{MASK}-{len(masks) + 1}.png"):
            masks.append(mask)
        people = tuple(PersonItem(mask=mask) for mask in masks)
        yield PeopleItem(key="", source=str(path), picture=path, caption=_words(path), people=people)


def _jsonl(text: str, source: Path, kind: Kind, inside: Inside) -> Iterator[Item]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{source}, line {number}"
            try:
                yield _item(json.loads(line), kind, where, inside)
            except (*_NO_JSON, TrainingError) as error:
                yield _unread(where, error)


def _item(entry: Any, kind: Kind, where: str, inside: Inside) -> Item:
    if kind == "subjects":
        line = SubjectLine.model_validate(entry)
        views = tuple(
            ViewItem(**view.model_dump() | {"picture": inside(view.picture), "mask": inside.maybe(view.mask)})
            for view in line.views
        )
        return SubjectItem(key="", source=where, **line.model_dump() | {"views": views})
    picture = PictureLine.model_validate(entry)
    people = tuple(
        PersonItem(mask=inside(person.mask), face=inside.maybe(person.face), label=person.label)
        for person in picture.people
    )
    paths = {"picture": inside(picture.picture), "pose": inside.maybe(picture.pose)}
    return PeopleItem(key="", source=where, **picture.model_dump() | paths | {"people": people})


def _csv(text: str, source: Path, kind: Kind, inside: Inside) -> Iterator[Item]:
    """Subjects: one picture a row, consecutive rows of one `subject` together. People: masks separated by `;`."""
    reader = csv.DictReader(io.StringIO(text))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise TrainingError(
            f"{shown(source)} is no table: {error}; see the quotes before line {reader.line_num + 1}"
        ) from error
    numbered = [(number, {k: v for k, v in row.items() if k and v}) for number, row in enumerate(rows, 2)]
    entries: Iterable[tuple[int, dict[str, Any]]]
    if kind == "subjects":
        groups = groupby(numbered, key=lambda pair: pair[1].get("subject"))
        entries = (_subject_rows(list(group)) for _, group in groups)
    else:
        entries = ((number, _people_row(row)) for number, row in numbered)
    for number, entry in entries:
        where = f"{source}, line {number}"
        try:
            yield _item(entry, kind, where, inside)
        except (ValidationError, TrainingError) as error:
            yield _unread(where, error)


def _subject_rows(rows: list[tuple[int, dict[str, str]]]) -> tuple[int, dict[str, Any]]:
    shared = {"subject", "label", "origin", "rights"}
    first = {name: value for name, value in rows[0][1].items() if name in shared}
    return rows[0][0], first | {"views": [{k: v for k, v in row.items() if k not in shared} for _, row in rows]}


def _people_row(row: Mapping[str, str]) -> dict[str, Any]:
    masks = [name.strip() for name in row.get("masks", "").split(";") if name.strip()]
    return {k: v for k, v in row.items() if k != "masks"} | {"people": [{"mask": mask} for mask in masks]}


def _story_maker(text: str, source: Path, inside: Inside) -> Iterator[Item]:
    """StoryMaker's published layout: number of people -> entries (or one entry) of six values, by position."""
    try:
        table = json.loads(text)
    except _NO_JSON as error:
        raise TrainingError(f"{shown(source)} is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise TrainingError(f"{shown(source)} is not StoryMaker's layout: expected an object of lists")
    for name, entries in table.items():
        listed = entries if isinstance(entries, list) and entries and isinstance(entries[0], list) else [entries]
        for number, entry in enumerate(listed, 1):
            where = f"{source}, {name}, entry {number}"
            try:
                yield _story_maker_item(entry, where, inside)
            except (ValidationError, TrainingError) as error:
                yield _unread(where, error)


def _story_maker_item(entry: Any, where: str, inside: Inside) -> Item:
    names = tuple(StoryMakerLine.model_fields)
    if not isinstance(entry, list) or len(entry) != len(names):
        raise TrainingError(f"expected a list of {', '.join(names)}")
    line = StoryMakerLine.model_validate(dict(zip(names, entry, strict=True)))
    faces = inside(line.faces)
    people = tuple(PersonItem(color=PERSON_COLORS[n], face=faces / f"{n}.bin") for n in range(line.count))
    return PeopleItem(
        key="",
        source=where,
        picture=inside(line.picture),
        caption=line.caption,
        pose=inside.maybe(line.pose),
        color_mask=inside(line.mask),
        people=people,
    )


def _unread(where: str, error: Exception) -> UnreadItem:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(str(part) for part in first['loc'])}: {str(first['msg']).lower()}"
    else:
        reason = str(error)
    return UnreadItem(key="", source=where, reason=" ".join(reason.split()))
