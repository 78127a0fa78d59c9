"""Pictures of a character, and what engines will see of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from inkcast.app.api.caller import Caller, Signed
from inkcast.app.api.characters import CharacterId, entry_of, located
from inkcast.app.api.models import CharacterModel, FaceModel, PreviewModel
from inkcast.app.api.pictures import FOREVER, PNG, Side, tagged, thumbnail
from inkcast.app.api.repeating import IdempotencyKey, Repeatable
from inkcast.app.api.uploads import (
    ConsentField,
    Mask,
    Picture,
    RealPerson,
    SourceField,
    StateField,
    ViewField,
    read_reference,
)
from inkcast.app.problems import responses
from inkcast.app.sight import look
from inkcast.cast.character import Reference
from inkcast.cast.record import CharacterRecord
from inkcast.errors import NotFoundError
from inkcast.files import shown

router = APIRouter(prefix="/characters/{character_id}/references", tags=["characters"], route_class=Repeatable)

ReferenceId = Annotated[str, Path(description="`id` of one of the character's references.", max_length=64)]


@router.post("", status_code=201, summary="Add a picture", responses=responses("not-found"))
def add_reference(
    caller: Signed,
    response: Response,
    character_id: CharacterId,
    picture: Picture,
    mask: Mask = None,
    view: ViewField = "front",
    state: StateField = "",
    source: SourceField = "",
    consent: ConsentField = "",
    real_person: RealPerson = False,
    idempotency_key: IdempotencyKey = None,
) -> CharacterModel:
    """Another picture of the character. The same picture for the same use is kept once, with the newest consent."""
    name = caller.character_name(character_id)
    reference = read_reference(
        picture, mask=mask, view=view, state=state, source=source, consent=consent, real_person=real_person
    )
    (entry,) = caller.library.add(extending=[CharacterRecord(name, references=(reference,))])
    return located(response, entry)


@router.get(
    "/{reference_id}",
    summary="A reference's picture",
    response_class=Response,
    responses={**PNG, **responses("not-found")},
)
def get_reference(
    caller: Signed,
    request: Request,
    character_id: CharacterId,
    reference_id: ReferenceId,
    side: Side = None,
) -> Response:
    """Upright, in sRGB and without metadata."""
    picture = reference_of(caller, character_id, reference_id).image
    return tagged(request, thumbnail(picture, side), "image/png", tag=f"{reference_id}-{side or 0}", keep=FOREVER)


@router.delete(
    "/{reference_id}", status_code=204, summary="Remove a picture", responses=responses("not-found", "conflict")
)
def remove_reference(caller: Signed, character_id: CharacterId, reference_id: ReferenceId) -> None:
    """Every use of the picture; the last picture of a character nothing was learned of stays."""
    entry = entry_of(caller, character_id)
    numbers = [number for number, each in enumerate(entry.references, 1) if each.picture == reference_id]
    if not numbers:
        raise NotFoundError(f"the character has no picture {shown(reference_id)}")
    for number in reversed(numbers):
        caller.library.remove_reference(entry.name, number)


@router.get("/{reference_id}/preview", summary="Mask and faces found", responses=responses("not-found"))
def preview_reference(caller: Signed, character_id: CharacterId, reference_id: ReferenceId) -> PreviewModel:
    """How the character is told from the background, and the faces seen; the toon base's eyes know drawn faces."""
    reference = reference_of(caller, character_id, reference_id)
    seen = look(reference)
    width, height = reference.image.size
    faces = [
        FaceModel(
            box=(face.box[0] / width, face.box[1] / height, face.box[2] / width, face.box[3] / height),
            points=[(float(x) / width, float(y) / height) for x, y in face.points],
            score=face.score,
        )
        for face in seen.faces
    ]
    return PreviewModel(how=seen.cutout.how, covers=float(seen.cutout.mask.mean()), faces=faces)


@router.get(
    "/{reference_id}/mask",
    summary="The mask found",
    response_class=Response,
    responses={**PNG, **responses("not-found")},
)
def get_mask(caller: Signed, request: Request, character_id: CharacterId, reference_id: ReferenceId) -> Response:
    """White where the character is."""
    from PIL import Image

    mask = look(reference_of(caller, character_id, reference_id)).cutout.mask
    return tagged(request, thumbnail(Image.fromarray(mask), None), "image/png")


def reference_of(caller: Caller, character_id: str, reference_id: str) -> Reference:
    """The caller's reference, its picture read; raises NotFoundError."""
    name = caller.character_name(character_id)
    for reference in caller.library.character(name).references:
        if reference.digest == reference_id:
            return reference
    raise NotFoundError(f"the character has no picture {shown(reference_id)}")
