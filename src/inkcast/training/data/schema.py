"""What a training sample on disk is: version 1 of the shard schema.

A sample is a group of files of one webdataset shard that share a key: `KEY.json`, which is one of the models below,
and the files it names (`KEY.0.jpg`, `KEY.0.mask.png`, …). Pixel coordinates are those of the stored picture, x to the
right, y down; boxes are x0, y0, x1, y1 with the last two exclusive.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from inkcast.vision.segment import How

SCHEMA_VERSION: Literal[1] = 1

Kind = Literal["subjects", "people"]
Origin = Literal["image", "video", "3d"]
Box = tuple[int, int, int, int]
Point = tuple[float, float]
Joint = tuple[float, float, float]


class Record(BaseModel):
    """Base of everything in a shard's JSON: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredPicture(Record):
    """`file` is the name behind the key, such as `0.jpg`: 8-bit sRGB without alpha and without metadata."""

    file: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    caption: str = ""


class Face(Record):
    """`points`: eyes, nose, mouth corners, from the picture's left. `embedding`: a .npy of length 1, or none."""

    points: tuple[Point, Point, Point, Point, Point]
    embedding: str | None = None


class View(Record):
    """One picture of a subject. `mask` is its whole instance there (PNG, 255 = subject), found as `cut` says.

    `frame` is the second of a video, `azimuth` the degrees of a 3D view.
    """

    picture: StoredPicture
    mask: str
    cut: How
    face: Face | None = None
    frame: float | None = None
    azimuth: float | None = None


class SubjectSample(Record):
    """Two or more pictures of one subject, in different contexts (AnyStory, section 3.4, subject encoder training)."""

    version: Literal[1] = SCHEMA_VERSION
    kind: Literal["subjects"] = "subjects"
    key: str
    subject: str
    label: str = ""
    origin: Origin = "image"
    rights: str = ""
    views: Annotated[tuple[View, ...], Field(min_length=2)]


class Person(Record):
    """One subject of a picture: the mask and box of the whole visible instance, a face, a skeleton.

    `skeleton` is OpenPose's 18 points (nose, neck, right arm, left arm, right leg, left leg, eyes, ears), each x, y and
    1 where it is seen, else 0.
    """

    mask: str
    box: Box
    label: str = ""
    face: Face | None = None
    skeleton: Annotated[tuple[Joint, ...], Field(min_length=18, max_length=18)] | None = None


class PeopleSample(Record):
    """A picture of one or more subjects (AnyStory section 3.4, router training; StoryMaker section 5.1.1).

    `pose` is a drawn pose map that came with the picture.
    """

    version: Literal[1] = SCHEMA_VERSION
    kind: Literal["people"] = "people"
    key: str
    rights: str = ""
    picture: StoredPicture
    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    pose: str | None = None


AnySample = SubjectSample | PeopleSample
_SAMPLES: TypeAdapter[AnySample] = TypeAdapter(Annotated[AnySample, Field(discriminator="kind")])


def read_sample(text: str | bytes) -> AnySample:
    """Raises pydantic's `ValidationError`: another version, unknown keys, wrong values."""
    return _SAMPLES.validate_json(text)


def named_files(sample: AnySample) -> frozenset[str]:
    """The files that the sample names, which must lie beside its JSON."""
    if isinstance(sample, SubjectSample):
        faces = [view.face for view in sample.views]
        named = [name for view in sample.views for name in (view.picture.file, view.mask)]
    else:
        faces = [person.face for person in sample.people]
        named = [sample.picture.file, *(person.mask for person in sample.people)]
        named += [sample.pose] if sample.pose else []
    return frozenset([*named, *(face.embedding for face in faces if face is not None and face.embedding)])


class Broken(Record):
    """What was set aside while building, and why: a sample, or one picture of a subject that has others."""

    key: str
    source: str
    reason: str


class Member(Record):
    """Where a file's bytes lie in the shard."""

    offset: int
    size: int


class Row(Record):
    """A sample of a shard; `members` by the name behind the key."""

    key: str
    members: dict[str, Member]


class Part(Record):
    """What became of one part of the plan: its shard (none if nothing was usable), its rows, what was set aside.
    `sources` tells whether the files that it was made of are still the same; parts of old have none."""

    number: int
    sources: str = ""
    shard: str = ""
    sha256: str = ""
    size: int = 0
    rows: tuple[Row, ...] = ()
    broken: tuple[Broken, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Part:
        if bool(self.shard) != bool(self.rows):
            raise ValueError("a part with samples has a shard, one without has none")
        return self


class ShardLine(Record):
    """A shard in the index: file name, samples, bytes, SHA-256 of the file, and the file that holds its rows."""

    file: str
    rows: str
    samples: int
    size: int
    sha256: str


class Index(Record):
    """`index.json`: the whole data set. It appears once every shard is there."""

    version: Literal[1] = SCHEMA_VERSION
    kind: Kind
    samples: int
    broken: int
    plan: str
    shards: tuple[ShardLine, ...]
