"""`inkcast cast`: the characters kept between comics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inkcast.cli.common import AsJson

if TYPE_CHECKING:
    from inkcast.cast.character import State
    from inkcast.cast.record import CharacterRecord, Entry

app = typer.Typer(no_args_is_help=True, help="Keep characters between comics.")

Name = Annotated[str, typer.Argument(help="Name or alias; upper and lower case are the same.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who it is; pronouns may follow: 'Ann Lee (she)'.")],
    images: Annotated[list[Path] | None, typer.Argument(help="Pictures of just that character.")] = None,
    view: Annotated[str, typer.Option(help="What the pictures show: front, side, back, close-up.")] = "front",
    mask: Annotated[Path | None, typer.Option(help="Black picture, white where the character is; one IMAGE.")] = None,
    state: Annotated[str, typer.Option(help="Outfit or age the pictures show; empty for the usual one.")] = "",
    source: Annotated[str, typer.Option(help="Where the pictures are from; the file's name if not given.")] = "",
    consent: Annotated[str, typer.Option(help="Why they may be used: 'drawn by me', 'signed 2024-05-01'.")] = "",
    alias: Annotated[list[str] | None, typer.Option(help="Another name a story may use; may be repeated.")] = None,
    pronouns: Annotated[str, typer.Option(help="she, he, they or it.")] = "",
    description: Annotated[str, typer.Option(help="Words that describe the character in a prompt.")] = "",
    outfit: Annotated[list[str] | None, typer.Option(help="NAME=WORDS: an outfit or age; may be repeated.")] = None,
) -> None:
    """Add a character, or pictures and words to one that is there."""
    from inkcast.cast.names import split_pronouns
    from inkcast.cast.record import CharacterRecord, read_reference_record
    from inkcast.cast.store import open_library
    from inkcast.errors import UsageError

    if mask is not None and len(images or ()) != 1:
        raise UsageError(f"--mask fits one picture, but {len(images or ())} are given; add them one by one")
    bare, written = split_pronouns(name)
    record = CharacterRecord(
        name=bare,
        aliases=tuple(alias or ()),
        pronouns=pronouns or written,
        description=description,
        states=tuple(_state(text) for text in outfit or ()),
        references=tuple(
            read_reference_record(image, view=view, mask=mask, state=state, source=source, consent=consent)
            for image in images or ()
        ),
    )
    with open_library() as library:
        (entry,) = library.add(extending=[record])
    typer.echo(_line(entry))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List everybody in the cast library."""
    from inkcast.cast.store import open_library

    with open_library() as library:
        entries = library.entries()
    if as_json:
        typer.echo(_json([_listed(entry) for entry in entries]))
    elif not entries:
        typer.echo("Nobody yet. Add somebody:  inkcast cast add NAME IMAGE")
    else:
        for entry in entries:
            typer.echo(_line(entry))


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one character: names, words, pictures, identities."""
    from inkcast.cast.store import open_library

    with open_library() as library:
        entry = library.entry(name)
    typer.echo(_json(_listed(entry)) if as_json else "\n".join(_details(entry)))


@app.command()
def remove(
    name: Name,
    picture: Annotated[int | None, typer.Option(help="Remove this picture only, numbered as by show.")] = None,
) -> None:
    """Remove a character, with all pictures and identities, or one picture of it."""
    from inkcast.cast.store import open_library

    with open_library() as library:
        if picture is None:
            typer.echo(f"Removed {_printable(library.remove(name).name)}.")
        else:
            typer.echo(_line(library.remove_reference(name, picture)))


@app.command()
def edit(
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="The new name.")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="One more alias; may be repeated.")] = None,
    no_alias: Annotated[list[str] | None, typer.Option(help="An alias to forget; may be repeated.")] = None,
    pronouns: Annotated[str | None, typer.Option(help="she, he, they or it; empty for none.")] = None,
    description: Annotated[str | None, typer.Option(help="Words for a prompt; empty for none.")] = None,
) -> None:
    """Change a character's name, aliases, pronouns or description; pictures and identities stay."""
    from inkcast.cast.record import Words
    from inkcast.cast.store import open_library

    words = Words(
        new_name,
        more_aliases=tuple(alias or ()),
        fewer_aliases=tuple(no_alias or ()),
        pronouns=pronouns,
        description=description,
    )
    with open_library() as library:
        entry = library.change(name, words)
    typer.echo(_line(entry))


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Character files, or StableIdentity embeddings (.pt).")],
    name: Annotated[str, typer.Option("--as", help="Call the one character this instead, without its aliases.")] = "",
) -> None:
    """Bring in character files, or embeddings of the comic generator (NAME.pt, or NAME_1.pt with NAME_2.pt)."""
    import dataclasses

    from inkcast.cast.archive import read_character
    from inkcast.cast.embeddings import read_embeddings
    from inkcast.cast.store import open_library
    from inkcast.errors import UsageError

    learned = read_embeddings(file for file in files if file.suffix.lower() == ".pt")
    exported: tuple[CharacterRecord, ...] = tuple(
        read_character(file) for file in files if file.suffix.lower() != ".pt"
    )
    if name:
        if len(learned) + len(exported) != 1:
            raise UsageError(f"--as names one character, but the files hold {len(learned) + len(exported)}")
        learned = tuple(dataclasses.replace(record, name=name) for record in learned)
        exported = tuple(dataclasses.replace(record, name=name, aliases=()) for record in exported)
    with open_library() as library:
        for entry in library.add(*exported, extending=learned):
            typer.echo(_line(entry))


@app.command()
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Where to write it, such as ann.inkcast.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a character, with its pictures and identities, to one file."""
    from inkcast.cast.archive import pack_character
    from inkcast.cast.store import open_library
    from inkcast.errors import OutputError
    from inkcast.files import shown, write_bytes

    if file.exists() and not overwrite:
        raise OutputError(f"{shown(file)} exists already; choose another name or give --overwrite")
    with open_library() as library:
        record = library.record(name)
    write_bytes(file, pack_character(record))
    typer.echo(f"Wrote {_printable(record.name)} to {_printable(str(file))}.")


def _state(text: str) -> State:
    from inkcast.cast.character import State

    name, _, words = text.partition("=")
    return State(name.strip(), words.strip())


def _line(entry: Entry) -> str:
    pronouns = f" ({entry.pronouns})" if entry.pronouns else ""
    aliases = f", also {', '.join(_printable(alias) for alias in entry.aliases)}" if entry.aliases else ""
    return f"{_printable(entry.name)}{pronouns}{aliases}: {_count(len(entry.references), 'picture')}" + (
        f", {_count(len(entry.identities), 'identity', 'identities')}" if entry.identities else ""
    )


def _details(entry: Entry) -> list[str]:
    lines = [_line(entry)]
    if entry.description:
        lines.append(f"  {_printable(entry.description)}")
    lines += [f"  outfit {_printable(state.name)}: {_printable(state.description)}" for state in entry.states]
    for number, reference in enumerate(entry.references, 1):
        consent = reference.consent and f"may be used: {reference.consent}"
        notes = [reference.view, reference.state, reference.source, consent]
        told = ", ".join(_printable(note) for note in notes if note)
        lines.append(f"  picture {number}: {told} [{reference.picture[:12]}]{' with mask' if reference.mask else ''}")
    lines += [f"  identity for {item.engine} by {item.weights_digest[:24]}" for item in entry.identities]
    return lines


def _listed(entry: Entry) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(entry)


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=1)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _printable(text: str) -> str:
    """`text` without what could move a terminal's cursor or turn its direction."""
    return "".join(character if character.isprintable() else " " for character in text)
