"""A character on the form: its pictures before they are kept, cropped, cut out and looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from inkcast.app.safety import check_consent, check_picture, check_words
from inkcast.app.sight import look
from inkcast.cast.character import Reference
from inkcast.cast.record import CharacterRecord, Entry, ReferenceRecord, Words, check_reference
from inkcast.errors import CastError, InkcastError, PictureError
from inkcast.images import configured_limits, encode_png, open_picture, read_picture_bytes, shows_somebody
from inkcast.story.script import Box

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

    from inkcast.cast.store import CastLibrary

FACE_ROOM = 0.35  # around a face that is kept as a close-up, as a share of its own size
HOW = {
    "mask": "as you painted it",
    "alpha": "by the picture's transparency",
    "plain background": "by its plain background",
    "model": "by the drawn-world detector",
    "whole picture": "not at all: crop or paint it",
}


@dataclass(frozen=True)
class Draft:
    """A picture on the form. `crop` and `face` are fractions of the whole picture; `face` is found or corrected;
    `kept` is what the library has of it, nothing for a new one.
    """

    data: bytes
    name: str
    picture: Image.Image
    mask: Image.Image | None = None
    crop: Box | None = None
    face: Box | None = None
    close_up: bool = False
    view: str = "front"
    state: str = ""
    kept: ReferenceRecord | None = None

    @property
    def shown(self) -> Image.Image:
        """The picture as it will be kept: cropped."""
        return self.picture if self.crop is None else self.picture.crop(pixels(self.crop, self.picture.size))

    @property
    def reference(self) -> Reference:
        mask = self.mask
        if mask is not None and self.crop is not None:
            mask = mask.crop(pixels(self.crop, self.picture.size))
        return Reference(self.shown, hashlib.sha256(self.data).hexdigest(), self.name, self.view, mask)


@dataclass(frozen=True)
class Seen:
    """What an engine will take of a draft: the subject's pixels, and in words how they were found."""

    mask: Bool[np.ndarray, "h w"]
    how: str


def pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    x0, y0 = int(box[0] * width), int(box[1] * height)
    return x0, y0, max(round(box[2] * width), x0 + 1), max(round(box[3] * height), y0 + 1)


def read_draft(path: str) -> Draft:
    """An uploaded file, with the face found in it; raises PictureError or PolicyError."""
    data = read_picture_bytes(path, limits=configured_limits())
    name = PurePath(path).name
    picture = open_picture(data, name=name)
    check_picture(picture, f"picture {name!r}")
    return with_face(Draft(data, name, picture))


def read_drafts(paths: Sequence[str]) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """The files that are pictures, and why each of the others is not taken."""
    found, refused = [], []
    for path in paths:
        try:
            found.append(read_draft(path))
        except InkcastError as error:
            refused.append(str(error))
    return tuple(found), tuple(refused)


def with_face(draft: Draft) -> Draft:
    faces = look(Reference(draft.picture, "")).faces
    if not faces:
        return draft
    width, height = draft.picture.size
    x0, y0, x1, y1 = faces[0].box
    box = max(x0 / width, 0.0), max(y0 / height, 0.0), min(x1 / width, 1.0), min(y1 / height, 1.0)
    return replace(draft, face=box if box[0] < box[2] and box[1] < box[3] else None)


def seen(draft: Draft) -> Seen:
    found = look(draft.reference).cutout
    return Seen(found.mask, HOW[found.how])


def with_boxes(draft: Draft, crop: Box | None, face: Box | None) -> Draft:
    """A face that was moved is also kept as a close-up of its own, since engines look for faces themselves.

    Raises:
        PictureError: nothing of a painted cut-out is inside the crop.
    """
    moved = face is not None and face != draft.face
    framed = replace(draft, crop=crop, face=face, close_up=face is not None and (draft.close_up or moved))
    cutout = framed.reference.mask
    if cutout is not None and not shows_somebody(cutout):
        raise PictureError("nothing of the cut-out would be left in the crop: crop wider, or paint the cut-out anew")
    return framed


def painted(draft: Draft, layers: Sequence[Image.Image], adding: bool) -> Draft:
    """The draft whose mask is what was found, and (or, where not `adding`, without) what was painted on it."""
    import numpy as np

    whole = replace(draft, crop=None)
    mask = seen(whole).mask.copy()
    for layer in layers:
        stroke = np.asarray(layer.convert("RGBA").resize(draft.picture.size).getchannel("A")) > 0
        mask = mask | stroke if adding else mask & ~stroke
    if not mask.any():
        raise PictureError("nothing of the picture would be left: paint less, or undo")
    return replace(draft, mask=Image.fromarray(mask).convert("L"))


def drafts_of(library: CastLibrary, name: str) -> tuple[Draft, ...]:
    """The pictures of somebody in the library; of a kept mask that shows nobody, nothing."""
    kept = library.record(name).references
    found = []
    for record, reference in zip(kept, library.character(name).references, strict=True):
        label = reference.source or "picture"
        mask = reference.mask if reference.mask is not None and shows_somebody(reference.mask) else None
        draft = Draft(
            record.picture, label, reference.image, mask, view=reference.view, state=record.state, kept=record
        )
        found.append(with_face(draft))
    return tuple(found)


def records(draft: Draft, consent: str) -> tuple[ReferenceRecord, ...]:
    """What is kept of a draft: the picture, and a close-up of a face that was corrected."""
    if draft.kept is not None and draft.crop is None and not draft.close_up and same_mask(draft):
        return (replace(draft.kept, consent=consent, view=draft.view, state=draft.state),)
    reference = draft.reference
    data = draft.data if draft.crop is None else encode_png(reference.image)
    mask = None if reference.mask is None else encode_png(reference.mask)
    made = [ReferenceRecord(data, mask, draft.view, draft.name, consent, draft.state)]
    if draft.close_up and draft.face is not None:
        close = draft.picture.crop(pixels(roomy(draft.face), draft.picture.size))
        made.append(ReferenceRecord(encode_png(close), None, "close-up", f"face of {draft.name}", consent, draft.state))
    for each in made:
        check_reference(each, draft.name)
    return tuple(made)


def same_mask(draft: Draft) -> bool:
    """Whether a kept picture has the mask it came with."""
    before = draft.kept.mask if draft.kept is not None else None
    if before is None or draft.mask is None:
        return before is None and draft.mask is None
    return open_picture(before).convert("L").tobytes() == draft.mask.convert("L").tobytes()


def roomy(face: Box) -> Box:
    across, down = FACE_ROOM * (face[2] - face[0]), FACE_ROOM * (face[3] - face[1])
    return max(face[0] - across, 0.0), max(face[1] - down, 0.0), min(face[2] + across, 1.0), min(face[3] + down, 1.0)


def save_character(
    library: CastLibrary, words: Words, drafts: Sequence[Draft], *, known: str = "", consent: str, real_person: bool
) -> Entry:
    """Keeps a new character, or changes the one called `known`.

    Raises:
        CastError: a name is taken or not allowed, or there is no picture.
        PolicyError: consent is missing, or a word is refused.
    """
    check_consent(real_person, consent)
    for text in (words.name or "", words.description or "", *(words.aliases or ())):
        check_words(text, "the character's words")
    wanted = tuple(record for draft in drafts for record in records(draft, consent))
    if not known:
        character = CharacterRecord(
            words.name or "", words.aliases or (), words.pronouns or "", words.description or "", references=wanted
        )
        return library.add(character)[0]
    if not wanted:
        raise CastError(f"{known!r} would have no picture left: add one, or remove the character")
    before = library.record(known).references
    entry = library.change(known, words)
    (entry,) = library.add(extending=[CharacterRecord(entry.name, references=wanted)])
    uses = {use(record) for record in wanted}
    for number in range(len(before), 0, -1):
        if use(before[number - 1]) not in uses:
            entry = library.remove_reference(entry.name, number)
    return entry


def use(record: ReferenceRecord) -> tuple[bytes, bytes | None, str, str]:
    """What makes two references one: the library keeps such a one once."""
    return record.picture, record.mask, record.view, record.state


def split_aliases(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())


def layers_of(painting: Any) -> list[Image.Image]:
    """The strokes of Gradio's image editor."""
    return [cast(Image.Image, layer) for layer in (painting or {}).get("layers", [])]
