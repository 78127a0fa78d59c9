"""Characters to and from the rows of their tables, inside a session that the caller opened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlmodel import Session, select

from inkcast.cast.character import CharacterId, State
from inkcast.cast.names import clean_name, clean_pronouns, clean_text, clean_view, name_key
from inkcast.cast.record import (
    CharacterRecord,
    Entry,
    IdentityEntry,
    IdentityRecord,
    ReferenceEntry,
    ReferenceRecord,
    Words,
)
from inkcast.cast.tables import CharacterRow, IdentityRow, NameRow, ReferenceRow, StateRow
from inkcast.errors import CastError
from inkcast.files import shown

Row = TypeVar("Row", NameRow, StateRow, ReferenceRow, IdentityRow)

_ORDER: dict[type, tuple[str, ...]] = {
    NameRow: ("position",),
    StateRow: ("position",),
    ReferenceRow: ("position",),
    IdentityRow: ("engine", "weights_digest", "references_digest"),
}


def of(session: Session, table: type[Row], character_id: str) -> Sequence[Row]:
    """The rows of one character, in their order."""
    chosen = select(table).where(table.character_id == character_id)
    return session.exec(chosen.order_by(*_ORDER[table])).all()


def entry(session: Session, character: CharacterRow) -> Entry:
    """A character as the library lists it."""
    names = of(session, NameRow, character.id)
    return Entry(
        id=CharacterId(character.id),
        name=names[0].text,
        aliases=tuple(row.text for row in names[1:]),
        pronouns=character.pronouns,
        description=character.description,
        states=tuple(State(row.name, row.description) for row in of(session, StateRow, character.id)),
        references=tuple(
            ReferenceEntry(row.picture, row.mask, row.view, row.source, row.consent, row.state)
            for row in of(session, ReferenceRow, character.id)
        ),
        identities=tuple(
            IdentityEntry(row.engine, row.weights_digest, row.references_digest)
            for row in of(session, IdentityRow, character.id)
        ),
    )


def entries(session: Session) -> list[Entry]:
    """Everybody as the library lists them, by one query a table and without reading an identity's tensors."""
    names, states, references = (_grouped(session, table) for table in (NameRow, StateRow, ReferenceRow))
    made: dict[str, list[IdentityEntry]] = {}
    columns = select(
        IdentityRow.character_id, IdentityRow.engine, IdentityRow.weights_digest, IdentityRow.references_digest
    )
    for character_id, *what in sorted(session.exec(columns).all()):
        made.setdefault(character_id, []).append(IdentityEntry(*what))
    return [
        Entry(
            id=CharacterId(character.id),
            name=names[character.id][0].text,
            aliases=tuple(row.text for row in names[character.id][1:]),
            pronouns=character.pronouns,
            description=character.description,
            states=tuple(State(row.name, row.description) for row in states.get(character.id, ())),
            references=tuple(
                ReferenceEntry(row.picture, row.mask, row.view, row.source, row.consent, row.state)
                for row in references.get(character.id, ())
            ),
            identities=tuple(made.get(character.id, ())),
        )
        for character in session.exec(select(CharacterRow)).all()
    ]


def _grouped(session: Session, table: type[Any]) -> dict[str, list[Any]]:
    """All rows of a table by character, in their order."""
    found: dict[str, list[Any]] = {}
    for row in session.exec(select(table).order_by(table.position)).all():
        found.setdefault(row.character_id, []).append(row)
    return found


def clean(record: CharacterRecord) -> CharacterRecord:
    """`record` as the tables may hold it; raises CastError for words they may not."""
    return dataclasses.replace(
        record,
        name=clean_name(record.name),
        aliases=tuple(clean_name(alias, "alias") for alias in record.aliases),
        pronouns=clean_pronouns(record.pronouns),
        description=clean_text(record.description, "description"),
        states=tuple(
            State(clean_name(state.name, "state"), clean_text(state.description, "description of a state"))
            for state in record.states
        ),
        references=tuple(
            dataclasses.replace(
                reference,
                view=clean_view(reference.view),
                source=clean_text(reference.source, "source"),
                consent=clean_text(reference.consent, "consent"),
                state=clean_name(reference.state, "state") if reference.state else "",
            )
            for reference in record.references
        ),
    )


def put(session: Session, character: CharacterRow, record: CharacterRecord, store: Callable[[bytes], str]) -> None:
    """Writes a clean record into the rows of `character`; what it leaves empty stays. `store` keeps a picture."""
    character.pronouns = record.pronouns or character.pronouns
    character.description = record.description or character.description
    session.add(character)
    _put_names(session, character.id, (record.name, *record.aliases))
    named = {name_key(state.name) for state in record.states}
    shown_states = [State(reference.state) for reference in record.references if reference.state]
    _put_states(session, character.id, (*record.states, *(s for s in shown_states if name_key(s.name) not in named)))
    for reference in record.references:
        _put_reference(session, character.id, reference, store)
    for identity in record.identities:
        put_identity(session, character.id, identity)


def change(session: Session, character: CharacterRow, words: Words) -> None:
    """Writes words into the rows of `character` in place of what was there."""
    names = [row.text for row in of(session, NameRow, character.id)]
    name = names[0] if words.name is None else words.name
    aliases = _changed_aliases(names, words)
    fitting = clean(CharacterRecord(name, aliases, words.pronouns or "", words.description or "", words.states or ()))
    if words.pronouns is not None:
        character.pronouns = fitting.pronouns
    if words.description is not None:
        character.description = fitting.description
    session.add(character)
    if (name, *aliases) != tuple(names):
        for row in of(session, NameRow, character.id):
            session.delete(row)
        session.flush()
        _put_names(session, character.id, (fitting.name, *fitting.aliases))
    if words.states is not None:
        shown_by = {name_key(row.state) for row in of(session, ReferenceRow, character.id) if row.state}
        wanted = {name_key(state.name) for state in fitting.states}
        for state in of(session, StateRow, character.id):
            if state.key not in shown_by | wanted:
                session.delete(state)
            state.description = ""
        session.flush()
        _put_states(session, character.id, fitting.states)


def _changed_aliases(names: Sequence[str], words: Words) -> tuple[str, ...]:
    """The aliases after `words`, of a character with these `names`; raises CastError for one it never had."""
    aliases = tuple(names[1:]) if words.aliases is None else words.aliases
    for alias in words.fewer_aliases:
        if name_key(alias) not in map(name_key, aliases):
            raise CastError(f"{shown(names[0])} has no alias {shown(alias)}; 'inkcast cast show' lists them")
    forgotten = {name_key(alias) for alias in words.fewer_aliases}
    return (*(alias for alias in aliases if name_key(alias) not in forgotten), *words.more_aliases)


def put_identity(session: Session, character_id: str, identity: IdentityRecord) -> None:
    """Keeps an identity, in place of one that was made of the same by the same."""
    session.merge(
        IdentityRow(
            character_id=character_id,
            engine=identity.engine,
            weights_digest=identity.weights_digest,
            references_digest=identity.references_digest,
            tensors=identity.tensors,
        )
    )


def forget_identities(session: Session, character_id: str, engine: str, weights: str) -> None:
    """Deletes an engine's identities whose weights' digest begins with `weights`."""
    for row in of(session, IdentityRow, character_id):
        if row.engine == engine and row.weights_digest.startswith(weights):
            session.delete(row)
    session.flush()


def _put_names(session: Session, character_id: str, names: Sequence[str]) -> None:
    for name in names:
        taken = session.get(NameRow, name_key(name))
        if taken is None:
            position = len(of(session, NameRow, character_id))
            session.add(NameRow(key=name_key(name), character_id=character_id, position=position, text=name))
            session.flush()
        elif taken.character_id != character_id:
            owner = of(session, NameRow, taken.character_id)[0].text
            raise CastError(f"the name {shown(name)} belongs to {shown(owner)} already; choose another")


def _put_states(session: Session, character_id: str, states: Sequence[State]) -> None:
    for state in states:
        key = name_key(state.name)
        row = session.get(StateRow, (character_id, key))
        if row is None:
            position = len(of(session, StateRow, character_id))
            row = StateRow(character_id=character_id, key=key, position=position, name=state.name, description="")
        row.description = state.description or row.description
        session.add(row)
        session.flush()


def _put_reference(
    session: Session, character_id: str, reference: ReferenceRecord, store: Callable[[bytes], str]
) -> None:
    """Adds a reference; of a picture the character has for the same use already, only the consent is taken."""
    picture = store(reference.picture)
    mask = None if reference.mask is None else store(reference.mask)
    known = of(session, ReferenceRow, character_id)
    state = session.get_one(StateRow, (character_id, name_key(reference.state))).name if reference.state else ""
    use = (picture, mask, reference.view, state)
    same = next((row for row in known if (row.picture, row.mask, row.view, row.state) == use), None)
    if same is not None:
        same.consent = reference.consent or same.consent
        return
    session.add(
        ReferenceRow(
            character_id=character_id,
            position=known[-1].position + 1 if known else 0,
            picture=picture,
            mask=mask,
            view=reference.view,
            source=reference.source,
            consent=reference.consent,
            state=state,
        )
    )
    session.flush()
