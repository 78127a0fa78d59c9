"""Uploads: read whole, by the one door for pictures, into references."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import File, Form, UploadFile

from inkcast.app.safety import check_consent, check_picture, check_words
from inkcast.cast.character import View
from inkcast.cast.names import LONGEST_NAME, LONGEST_TEXT, clean_text
from inkcast.cast.record import ReferenceRecord, check_reference
from inkcast.files import shown
from inkcast.images import open_picture

MOST_PICTURES = 32

Picture = Annotated[UploadFile, File(description="PNG, JPEG, WebP, AVIF, BMP or GIF of just that character.")]
Pictures = Annotated[list[UploadFile], File(description="Pictures of just that character.", max_length=MOST_PICTURES)]
Mask = Annotated[UploadFile | None, File(description="Black, white where the character is; of the picture's size.")]
ViewField = Annotated[View, Form(description="What the picture shows.")]
StateField = Annotated[str, Form(max_length=LONGEST_NAME, description="The outfit or age shown; empty: the usual.")]
SourceField = Annotated[str, Form(max_length=LONGEST_TEXT, description="Where it is from; the file's name if empty.")]
ConsentField = Annotated[
    str, Form(max_length=LONGEST_TEXT, description="Why it may be used: 'drawn by me', 'signed 2026-05-01'.")
]
RealPerson = Annotated[bool, Form(description="Whether a real person is shown; then `consent` must say why it may be.")]


def read_reference(
    picture: UploadFile,
    *,
    mask: UploadFile | None = None,
    view: View = "front",
    state: str = "",
    source: str = "",
    consent: str = "",
    real_person: bool = False,
) -> ReferenceRecord:
    """An upload as a reference, checked.

    Raises:
        PictureError: it is no picture that is taken.
        CastError: the mask is of another size, or a word is not allowed.
        PolicyError: consent is missing, or the classifier refuses it.
    """
    check_consent(real_person, consent)
    check_words(state, "the outfit's name")
    name = PurePath(picture.filename or "picture").name
    data = picture.file.read()
    drawn = open_picture(data, name=name)
    record = ReferenceRecord(
        data,
        mask.file.read() if mask is not None else None,
        view,
        clean_text(source, "source") or "".join(sign if sign.isprintable() else "\ufffd" for sign in name),
        clean_text(consent, "consent"),
        state,
    )
    check_reference(record, name)
    check_picture(drawn, f"picture {shown(name)}")
    return record
