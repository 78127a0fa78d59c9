"""What a sample is built from: pictures on disk, and whatever is already known about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from inkcast.training.data.schema import Origin


class Known(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ViewItem(Known):
    """A picture of a subject; what is missing is found by the tools of the build."""

    picture: Path
    mask: Path | None = None
    caption: str = ""
    frame: float | None = None
    azimuth: float | None = None


class SubjectItem(Known):
    """The pictures of one subject. `source` is what messages call it."""

    kind: Literal["subjects"] = "subjects"
    key: str
    source: str
    subject: str
    label: str = ""
    origin: Origin = "image"
    rights: str = ""
    views: tuple[ViewItem, ...]


class PersonItem(Known):
    """A subject of a picture: its mask (a picture, or one colour of the item's colour mask), perhaps its face file.

    `color` is RGB. `face` is a .npy of an embedding, or a file of StoryMaker's, with the embedding and face points.
    """

    mask: Path | None = None
    color: tuple[int, int, int] | None = None
    face: Path | None = None
    label: str = ""


class PeopleItem(Known):
    """A picture with one or more subjects. Without `people`, the build's tools find them."""

    kind: Literal["people"] = "people"
    key: str
    source: str
    picture: Path
    caption: str = ""
    rights: str = ""
    pose: Path | None = None
    color_mask: Path | None = None
    people: tuple[PersonItem, ...] = ()


class ToonItem(Known):
    """Sample `number` of the drawn world, `size` pixels a side."""

    kind: Literal["toon"] = "toon"
    key: str
    source: str = "the drawn world"
    of: Literal["subjects", "people"]
    number: int
    size: int
    seed: int
    views: int = 3


class UnreadItem(Known):
    """An entry of the source that cannot be used; the build sets it aside with the reason."""

    kind: Literal["unread"] = "unread"
    key: str
    source: str
    reason: str


Item = Annotated[SubjectItem | PeopleItem | ToonItem | UnreadItem, Field(discriminator="kind")]


def files_of(known: Known) -> Iterator[Path]:
    """Every file that an item names, in the order of its fields."""
    for name in type(known).model_fields:
        value = getattr(known, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Known):
                yield from files_of(one)
            elif isinstance(one, Path):
                yield one


def sources_digest(items: Sequence[Item]) -> str:
    """Another one where a file of these items has come, gone, or been written since, by its size and time."""
    digest = hashlib.sha256()
    for item in items:
        for path in files_of(item):
            try:
                found = path.stat()
                digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(b"-\n")
    return digest.hexdigest()


def key_of(number: int) -> str:
    """Keys hold no dot: webdataset cuts a file's name at the first one."""
    return f"{number:09d}"
