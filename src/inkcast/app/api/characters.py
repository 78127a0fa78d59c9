"""Characters of the caller's cast library."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Query, Request, Response, UploadFile

from inkcast.app.api.caller import Caller, Signed
from inkcast.app.api.models import CharacterChange, CharacterModel
from inkcast.app.api.paging import Cursor, Limit, Page, part
from inkcast.app.api.repeating import IdempotencyKey, Repeatable
from inkcast.app.api.uploads import ConsentField, Pictures, RealPerson, SourceField, ViewField, read_reference
from inkcast.app.problems import responses
from inkcast.app.safety import check_picture, check_words
from inkcast.cast.archive import pack_character, unpack_character
from inkcast.cast.character import Pronoun, State
from inkcast.cast.names import LONGEST_NAME, LONGEST_TEXT
from inkcast.cast.record import CharacterRecord, Entry, Words
from inkcast.images import open_picture

router = APIRouter(prefix="/characters", tags=["characters"], route_class=Repeatable)

CharacterId = Annotated[str, Path(description="`id` of a character.", max_length=64)]
CHARACTER_FILE = "application/vnd.inkcast.character+zip"


@router.get("", summary="List characters")
def list_characters(
    caller: Signed,
    limit: Limit = 50,
    cursor: Cursor = "",
    q: Annotated[str, Query(max_length=LONGEST_NAME, description="Only names and aliases that hold this.")] = "",
) -> Page[CharacterModel]:
    """Everybody in the caller's library, by name."""
    sought = q.casefold()
    found = [
        entry
        for entry in caller.library.entries()
        if not sought or any(sought in name.casefold() for name in (entry.name, *entry.aliases))
    ]
    page = part(found, lambda entry: (entry.name.casefold(), entry.id), limit, cursor)
    return Page(items=[CharacterModel.of(entry) for entry in page.items], next=page.next)


@router.post("", status_code=201, summary="Add a character", responses=responses("conflict"))
def add_character(
    caller: Signed,
    response: Response,
    name: Annotated[str, Form(min_length=1, max_length=LONGEST_NAME, examples=["Ann Lee"])],
    picture: Pictures,
    pronouns: Annotated[Pronoun | None, Form()] = None,
    description: Annotated[str, Form(max_length=LONGEST_TEXT, description="Words for it in a prompt.")] = "",
    alias: Annotated[list[str] | None, Form(max_length=100, description="Other names a story may use.")] = None,
    view: ViewField = "front",
    source: SourceField = "",
    consent: ConsentField = "",
    real_person: RealPerson = False,
    idempotency_key: IdempotencyKey = None,
) -> CharacterModel:
    """A form with the character's words and its pictures, which share `view`, `source` and `consent`."""
    for words in (name, description, *(alias or ())):
        check_words(words, "the character's words")
    references = tuple(
        read_reference(each, view=view, source=source, consent=consent, real_person=real_person) for each in picture
    )
    record = CharacterRecord(name, tuple(alias or ()), pronouns or "", description, references=references)
    (entry,) = caller.library.add(record)
    return located(response, entry)


@router.post("/import", status_code=201, summary="Import a character file", responses=responses("conflict"))
def import_character(
    caller: Signed,
    response: Response,
    file: Annotated[UploadFile, File(description="What `GET /characters/{id}/file` gave.")],
    idempotency_key: IdempotencyKey = None,
) -> CharacterModel:
    """A character as it was exported, with its pictures and what engines learned of it."""
    record = unpack_character(file.file, PurePath(file.filename or "the file").name)
    for words in (record.name, record.description, *record.aliases, *(state.description for state in record.states)):
        check_words(words, "the character's words")
    for reference in record.references:
        check_picture(open_picture(reference.picture))
    (entry,) = caller.library.add(record)
    return located(response, entry)


@router.get("/{character_id}", summary="One character", responses=responses("not-found"))
def get_character(caller: Signed, character_id: CharacterId) -> CharacterModel:
    return CharacterModel.of(entry_of(caller, character_id))


@router.patch("/{character_id}", summary="Change a character's words", responses=responses("not-found"))
def change_character(caller: Signed, character_id: CharacterId, change: CharacterChange) -> CharacterModel:
    """Only what the body holds is changed; an outfit that a picture shows stays."""
    name = caller.character_name(character_id)
    states: tuple[State, ...] | None = None
    if change.states is not None:
        states = tuple(state.state() for state in change.states)
    aliases = None if change.aliases is None else tuple(change.aliases)
    said = (change.name, change.description, *(aliases or ()), *(state.description for state in states or ()))
    for words in said:
        check_words(words or "", "the character's words")
    entry = caller.library.change(name, Words(change.name, aliases, change.pronouns, change.description, states))
    return CharacterModel.of(entry)


@router.delete("/{character_id}", status_code=204, summary="Remove a character", responses=responses("not-found"))
def remove_character(caller: Signed, character_id: CharacterId) -> None:
    """With all pictures and identities. Comics that show the character keep what they were drawn from."""
    caller.library.remove(caller.character_name(character_id))


@router.get(
    "/{character_id}/file",
    summary="Export a character",
    response_class=Response,
    responses={
        200: {"content": {CHARACTER_FILE: {"schema": {"type": "string", "format": "binary"}}}},
        **responses("not-found"),
    },
)
def export_character(caller: Signed, request: Request, character_id: CharacterId) -> Response:
    """All of a character as one file, for `POST /characters/import` or `inkcast cast import`."""
    data = pack_character(caller.library.record(caller.character_name(character_id)))
    headers = {"Content-Disposition": f'attachment; filename="{character_id}.inkcast"', "Cache-Control": "no-store"}
    return Response(data, media_type=CHARACTER_FILE, headers=headers)


def entry_of(caller: Caller, character_id: str) -> Entry:
    """The caller's character with that id; raises NotFoundError."""
    return caller.library.entry(caller.character_name(character_id))


def located(response: Response, entry: Entry) -> CharacterModel:
    """What a POST that made a character answers."""
    response.headers["Location"] = f"/api/v1/characters/{entry.id}"
    return CharacterModel.of(entry)
