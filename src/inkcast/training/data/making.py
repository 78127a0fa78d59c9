"""From what a source says to a sample: read through the one picture door, then filled in by what the tools find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inkcast.errors import PictureError
from inkcast.files import shown
from inkcast.images import Reference, encode_png, load_reference, open_picture
from inkcast.training.data.face_files import FaceFile, read_face_file
from inkcast.training.data.items import Item, PeopleItem, PersonItem, SubjectItem, ToonItem, UnreadItem, ViewItem
from inkcast.training.data.schema import Broken, PeopleSample, Person, SubjectSample, View
from inkcast.training.data.shards import Stored
from inkcast.training.data.storing import (
    Encoding,
    Files,
    UnusableError,
    box_of,
    check_area,
    face_inside,
    flat,
    resized,
    resized_mask,
    scaled,
    skeleton_of,
)
from inkcast.training.data.tools import Tools
from inkcast.training.data.toon import drawn_sample
from inkcast.vision.people import Instance
from inkcast.vision.segment import cut_out

_NEAR = 64  # how far a colour mask's pixel may be from the person's colour, of 255


@dataclass(frozen=True)
class Made:
    """A sample, or none; and what of the item was set aside."""

    sample: Stored | None
    broken: tuple[Broken, ...] = ()


def make(item: Item, tools: Tools, encoding: Encoding) -> Made:
    """The item's sample. What cannot be used is told, not raised; a tool that cannot be loaded is raised."""
    try:
        match item:
            case UnreadItem():
                raise UnusableError(item.reason)
            case SubjectItem():
                return _subject(item, tools, encoding)
            case PeopleItem():
                return Made(_people(item, tools, encoding))
            case ToonItem():
                return Made(drawn_sample(item, tools, encoding))
    except (PictureError, UnusableError) as error:
        return Made(None, (Broken(key=item.key, source=item.source, reason=str(error)),))


def _subject(item: SubjectItem, tools: Tools, encoding: Encoding) -> Made:
    files, views, broken = Files(encoding), list[View](), list[Broken]()
    seen: dict[str, str] = {}
    for view in item.views:
        try:
            mask = str(view.mask) if view.mask else None
            reference = load_reference(view.picture, mask=mask)
            if reference.digest in seen:
                raise UnusableError(f"{shown(view.picture)} is the same picture as {shown(seen[reference.digest])}")
            seen[reference.digest] = str(view.picture)
            views.append(_view(str(len(views)), reference, view, item.label, tools, files))
        except (PictureError, UnusableError) as error:
            broken.append(Broken(key=item.key, source=str(view.picture), reason=str(error)))
    if len(views) < 2:
        reason = f"{len(views)} usable of {len(item.views)} pictures; a subject needs two"
        return Made(None, (*broken, Broken(key=item.key, source=item.source, reason=reason)))
    known = item.model_dump(include={"key", "subject", "label", "origin", "rights"})
    return Made(Stored(SubjectSample(**known, views=tuple(views)), files.found), tuple(broken))


def _view(name: str, reference: Reference, item: ViewItem, label: str, tools: Tools, files: Files) -> View:
    cutout = cut_out(reference, tools.segmenter)
    if cutout.how == "whole picture":
        raise UnusableError(
            f"no subject found in {shown(item.picture)}: give it a mask, or name a model by --segmenter"
        )
    picture, mask = scaled(flat(reference.image), cutout.mask, files.encoding)
    check_area(mask, files.encoding, shown(item.picture))
    seen = tools.faces.read(picture) if tools.faces else ()
    face = face_inside(seen, mask)
    return View(
        picture=files.picture(name, picture, caption_of(item.caption, picture, label, tools)),
        mask=files.mask(name, mask),
        cut=cutout.how,
        face=None if face is None else files.face(name, face.points, face.embedding),
        frame=item.frame,
        azimuth=item.azimuth,
    )


def _people(item: PeopleItem, tools: Tools, encoding: Encoding) -> Stored:
    whole = flat(open_picture(item.picture))
    picture = resized(whole, encoding)
    scale = picture.shape[1] / whole.shape[1]
    found = _instances(item, whole.shape[:2], picture, tools)
    given = item.people or (PersonItem(),) * len(found)
    faces = [read_face_file(person.face) if person.face else None for person in given]
    files = Files(encoding)
    labels = ", ".join(dict.fromkeys(one.label for one in found if one.label))
    stored = files.picture("0", picture, caption_of(item.caption, picture, labels, tools))
    pose = None
    if item.pose is not None:
        files.found[pose := "pose.png"] = encode_png(Image.fromarray(resized(flat(open_picture(item.pose)), encoding)))
    people = people_of(found, faces, picture, scale, tools, files)
    return Stored(PeopleSample(key=item.key, rights=item.rights, picture=stored, people=people, pose=pose), files.found)


def people_of(
    found: Sequence[Instance],
    faces: Sequence[FaceFile | None],
    picture: UInt8[np.ndarray, "h w 3"],
    scale: float,
    tools: Tools,
    files: Files,
) -> tuple[Person, ...]:
    """The instances as people: faces as given (their points before the picture was scaled) or read, poses read."""
    boxes = [box_of(one.mask) for one in found]
    seen = tools.faces.read(picture) if tools.faces else ()
    poses = tools.poses.read(picture, np.array(boxes, dtype=np.float64)) if tools.poses else [None] * len(found)
    people = []
    for number, (one, box, given, pose) in enumerate(zip(found, boxes, faces, poses, strict=True)):
        check_area(one.mask, files.encoding, f"subject {number + 1}")
        face, name = None, f"p{number}"
        if given is not None:
            points = given.points
            # StoryMaker's points count from the corner of the person's crop.
            face = None if points is None else files.face(name, points * scale + np.array(box[:2]), given.embedding)
        if face is None and (inside := face_inside(seen, one.mask)) is not None:
            face = files.face(name, inside.points, inside.embedding if given is None else given.embedding)
        if face is None and given is not None:
            raise UnusableError(f"subject {number + 1} has an embedding, but no face was found; read faces by --faces")
        people.append(
            Person(
                mask=files.mask(name, one.mask),
                box=box,
                label=one.label,
                face=face,
                skeleton=None if pose is None else skeleton_of(pose),
            )
        )
    return tuple(people)


def _instances(
    item: PeopleItem, size: tuple[int, int], picture: UInt8[np.ndarray, "h w 3"], tools: Tools
) -> tuple[Instance, ...]:
    """As the item says, else as the finder sees; masks have the stored picture's size."""
    if not item.people:
        if tools.people is None:
            raise UnusableError(f"no masks for {shown(item.picture)}: give some, or name a model by --people")
        found = tools.people.find(picture)
        if not found:
            raise UnusableError(f"nobody found in {shown(item.picture)}")
        return found
    colors = None if item.color_mask is None else _same_size(item.color_mask, size).astype(int)
    found = ()
    for number, person in enumerate(item.people, 1):
        if person.mask is not None:
            mask = _same_size(person.mask, size).max(-1) >= 128
        elif person.color is not None and colors is not None:
            mask = (np.abs(colors - np.array(person.color)) < _NEAR).all(-1)
        else:
            raise UnusableError(f"subject {number} of {shown(item.picture)} has no mask")
        if not mask.any():
            raise UnusableError(f"the mask of subject {number} of {shown(item.picture)} is empty")
        found += (Instance(resized_mask(mask, picture.shape[:2]), 1.0, person.label),)
    return found


def _same_size(path: object, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    mask = flat(open_picture(str(path)))
    if mask.shape[:2] != size:
        height, width = mask.shape[:2]
        raise UnusableError(f"mask {shown(path)} is {width} x {height} but its picture is {size[1]} x {size[0]}")
    return mask


def caption_of(given: str, picture: UInt8[np.ndarray, "h w 3"], label: str, tools: Tools) -> str:
    """The source's own caption, else the captioner's, else none."""
    if given or tools.captioner is None:
        return " ".join(given.split())
    return tools.captioner.caption(picture, label)
