"""The cast library: characters kept between comics. See `docs/cast.md`."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Sequence
from types import TracebackType

from sqlmodel import Session, select

from inkcast.cast import rows
from inkcast.cast.character import Character, CharacterId, Identity, Reference
from inkcast.cast.database import FILE_NAME, Database
from inkcast.cast.identities import pack, references_digest, unpack
from inkcast.cast.names import clean_name, name_key
from inkcast.cast.pictures import PictureFolder
from inkcast.cast.record import CharacterRecord, Entry, IdentityRecord, ReferenceRecord, Words
from inkcast.cast.tables import CharacterRow, IdentityRow, NameRow, ReferenceRow
from inkcast.config import settings
from inkcast.errors import CastError
from inkcast.files import shown
from inkcast.images import open_picture


class CastLibrary:
    """The characters in one database; names and aliases find them, whatever their case.

    Every method is one transaction: it happens whole or not at all, and raises CastError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pictures = PictureFolder(database.pictures)

    def __enter__(self) -> CastLibrary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, *records: CharacterRecord, extending: Sequence[CharacterRecord] = ()) -> tuple[Entry, ...]:
        """Adds characters, all or none: `records` must be new here, those of `extending` add to what is here.

        Raises:
            CastError: a name or alias is taken, or a new character has neither a picture nor an identity.
            OutputError: a picture cannot be stored.
        """
        with self._database.writing() as session:
            new = [self._add(session, record, extend=False) for record in records]
            return (*new, *(self._add(session, record, extend=True) for record in extending))

    def entries(self) -> tuple[Entry, ...]:
        """Everybody, by name, without pictures."""
        with self._database.reading() as session:
            found = rows.entries(session)
        return tuple(sorted(found, key=lambda entry: (entry.name.casefold(), entry.id)))

    def entry(self, name: str) -> Entry:
        """One character without pictures, by name or alias."""
        with self._database.reading() as session:
            return rows.entry(session, _find(session, name))

    def name_of(self, character_id: str) -> str:
        """The name of the character with that id."""
        with self._database.reading() as session:
            if session.get(CharacterRow, character_id) is None:
                raise CastError(f"nobody in the cast library has the id {shown(character_id)}")
            return rows.of(session, NameRow, character_id)[0].text

    def change(self, name: str, words: Words) -> Entry:
        """Gives a character the words that are not None, in place of those it has; an outfit that pictures show stays.

        Raises:
            CastError: a word is not allowed, or a name belongs to somebody else.
        """
        with self._database.writing() as session:
            character = _find(session, name)
            rows.change(session, character, words)
            session.flush()
            return rows.entry(session, character)

    def character(self, name: str) -> Character:
        """One character with its pictures, by name or alias; a picture that is gone or changed raises CastError."""
        entry = self.entry(name)
        references = []
        for number, found in enumerate(entry.references, 1):
            label = f"{entry.name}, picture {number}"
            image = open_picture(self._pictures.get(found.picture), name=label)
            mask = None if found.mask is None else open_picture(self._pictures.get(found.mask), name=label).convert("L")
            references.append(
                Reference(image, found.picture, found.source, found.view, mask, found.consent, found.state)
            )
        return Character(
            entry.id, entry.name, tuple(references), entry.pronouns, entry.aliases, entry.description, entry.states
        )

    def record(self, name: str) -> CharacterRecord:
        """All of one character, to be exported."""
        with self._database.reading() as session:
            character = _find(session, name)
            entry = rows.entry(session, character)
            identities = [
                IdentityRecord(row.engine, row.weights_digest, row.references_digest, row.tensors)
                for row in rows.of(session, IdentityRow, character.id)
            ]
        references = [
            ReferenceRecord(
                self._pictures.get(found.picture),
                None if found.mask is None else self._pictures.get(found.mask),
                found.view,
                found.source,
                found.consent,
                found.state,
            )
            for found in entry.references
        ]
        return CharacterRecord(
            entry.name,
            entry.aliases,
            entry.pronouns,
            entry.description,
            entry.states,
            tuple(references),
            tuple(identities),
        )

    def remove(self, name: str) -> Entry:
        """Forgets a character: names, states, identities, and pictures that no other character has."""
        with self._database.writing() as session:
            character = _find(session, name)
            entry = rows.entry(session, character)
            session.delete(character)
        self._sweep()
        return entry

    def remove_reference(self, name: str, number: int) -> Entry:
        """Forgets one picture of a character, counted from 1 as `entry` lists them."""
        with self._database.writing() as session:
            character = _find(session, name)
            references = rows.of(session, ReferenceRow, character.id)
            if not 1 <= number <= len(references):
                raise CastError(f"{shown(name)} has no picture {number}; it has {len(references)}")
            if len(references) == 1 and not rows.of(session, IdentityRow, character.id):
                raise CastError(
                    f"picture 1 is all that shows {shown(name)}; add another first, or remove the character"
                )
            session.delete(references[number - 1])
            session.flush()
            entry = rows.entry(session, character)
        self._sweep()
        return entry

    def knows(self, character_id: CharacterId) -> bool:
        with self._database.reading() as session:
            return session.get(CharacterRow, character_id) is not None

    def save_identity(self, character: Character, identity: Identity, *, made: str = "") -> None:
        """Keeps what an engine made of `character`, as given: of just those references.

        With `made`, a word for the circumstances that it was made in, it takes the place of what those weights made in
        others, or of other references.
        """
        record = IdentityRecord(
            identity.engine,
            _circumstanced(identity.weights_digest, made),
            references_digest(character.references),
            pack(identity),
        )
        with self._database.writing() as session:
            if session.get(CharacterRow, character.id) is None:
                raise CastError(f"{shown(character.name)} is not in the cast library any more; add the character again")
            if made:
                rows.forget_identities(session, character.id, identity.engine, f"{identity.weights_digest}:")
            rows.put_identity(session, character.id, record)

    def identity(self, character: Character, engine: str, weights_digest: str, *, made: str = "") -> Identity | None:
        """What those weights made of just those references, in those circumstances, if that was saved."""
        key = (character.id, engine, _circumstanced(weights_digest, made), references_digest(character.references))
        with self._database.reading() as session:
            row = session.get(IdentityRow, key)
        return None if row is None else unpack(row.tensors, engine, weights_digest)

    def imported_identities(self, character_id: CharacterId, engine: str) -> tuple[Identity, ...]:
        """Identities made elsewhere, of pictures that are not here."""
        with self._database.reading() as session:
            found = [row for row in rows.of(session, IdentityRow, character_id) if row.engine == engine]
        return tuple(unpack(row.tensors, engine, row.weights_digest) for row in found if not row.references_digest)

    def _add(self, session: Session, record: CharacterRecord, extend: bool) -> Entry:
        record = rows.clean(record)
        taken = session.get(NameRow, name_key(record.name))
        if taken is None:
            if not record.references and not record.identities:
                raise CastError(f"{shown(record.name)} is not in the cast library yet; give at least one picture")
            character = CharacterRow(id=uuid.uuid4().hex, pronouns="", description="")
            session.add(character)
            session.flush()
        elif extend:
            character = session.get_one(CharacterRow, taken.character_id)
        else:
            raise CastError(f"{shown(record.name)} is in the cast library already; remove it or choose another name")
        rows.put(session, character, record, self._pictures.put)
        session.flush()
        return rows.entry(session, character)

    def _sweep(self) -> None:
        with self._database.writing() as session:
            pairs = session.exec(select(ReferenceRow.picture, ReferenceRow.mask)).all()
            self._pictures.sweep({digest for pair in pairs for digest in pair if digest})


def open_library() -> CastLibrary:
    """The library that the settings name, made if there is none yet; use it in a `with` block."""
    chosen = settings()
    return CastLibrary(Database(chosen.database_url, chosen.home))


def library_exists() -> bool:
    """Whether the settings name a library that there is; asking makes none."""
    chosen = settings()
    return bool(chosen.database_url) or (chosen.home / FILE_NAME).is_file()


def _circumstanced(weights_digest: str, made: str) -> str:
    return f"{weights_digest}:{made}" if made else weights_digest


def _find(session: Session, name: str) -> CharacterRow:
    found = session.get(NameRow, name_key(clean_name(name)))
    if found is not None:
        return session.get_one(CharacterRow, found.character_id)
    known = session.exec(select(NameRow.text)).all()
    close = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {shown(close[0])}?" if close else "'inkcast cast list' shows everybody"
    raise CastError(f"nobody in the cast library is called {shown(name)}; {advice}")
