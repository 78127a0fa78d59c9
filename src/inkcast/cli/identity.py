"""`inkcast identity`: faces learned as words, for the engine stable-identity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inkcast.cli.common import AsJson, Device, Dtype, showing_progress

if TYPE_CHECKING:
    from inkcast.cast.character import Character, Identity
    from inkcast.sdxl.backbone import Backbone

Rate = Annotated[float | None, typer.Option(help="Learning rate; left out: SDXL 1e-5, SD 2.1 5e-5, toon 1e-4.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Chance of the learning.")]

app = typer.Typer(no_args_is_help=True, help="Learn faces for the engine stable-identity.")


@app.callback()
def group() -> None:
    """Learn faces for the engine stable-identity."""


@app.command()
def learn(
    name: Annotated[
        str, typer.Argument(help="Who it is: of the cast library or the gallery, or anybody with pictures.")
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Pictures of the face; none: those known of them.")
    ] = None,
    base: Annotated[str, typer.Option(help="The base to learn for: toon, a folder, a file or a hub id.")] = "toon",
    steps: Annotated[int, typer.Option(min=1, help="How many small steps to take.")] = 500,
    rate: Rate = None,
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the noise levels judged by the picture; 0.5 on SDXL.")
    ] = None,
    side: Annotated[int, typer.Option(min=0, help="Side of the views in pixels; 0 is the base's own.")] = 0,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    low_memory: Annotated[bool, typer.Option("--low-memory", help="Slower, with far less GPU memory.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where this face's learning was stopped.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the words to this .safetensors file.")] = None,
) -> None:
    """Learn a face; stop with Ctrl-C and go on with --resume. Later comics find it by its pictures."""
    person = _person(name, images or [])
    from inkcast.engines.identity import save_identity
    from inkcast.engines.stable_identity.engine import load_engine
    from inkcast.engines.stable_identity.learn import Learning
    from inkcast.engines.stable_identity.weights import HomeShelf

    loaded = _base(base, device, dtype)
    learning = Learning(steps=steps, rate=rate, alpha=alpha, side=side, seed=seed, checkpointing=low_memory)
    shelf = HomeShelf()

    def keep(identity: Identity) -> None:
        from inkcast.cast.store import open_library

        if not images:
            with open_library() as library:
                if library.knows(person.id):
                    library.save_identity(person, identity)
                    return
        shelf.keep(person, identity)

    with showing_progress() as report:
        engine = load_engine(loaded, learning=learning, report=report)
        checkpoint = shelf.unfinished(engine.run_of(person))
        identity = engine.learn(person, checkpoint=checkpoint, resume=resume, keep=keep)
    if out is not None:
        save_identity(identity, out)
    typer.echo(f"learned {person.name} for {base}")


@app.command()
def gallery(
    base: Annotated[
        str, typer.Option("--base", help="The base whose gallery it is: toon, a folder or a file.")
    ] = "toon",
    as_json: AsJson = False,
) -> None:
    """List the faces learned in advance; with the toon base their names may stand in --cast alone."""
    import json

    from inkcast.engines.stable_identity.gallery import read_gallery
    from inkcast.engines.stable_identity.weights import gallery_folder
    from inkcast.engines.survey import companions

    folder = companions(base)
    members = () if folder is None else read_gallery(gallery_folder(folder))
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(member) for member in members], indent=2, ensure_ascii=False))
        return
    for member in members:
        typer.echo(f"{member.name} ({member.pronouns}): {member.description}")
    if not members:
        typer.echo(f"{base} has no gallery: make one with  inkcast identity learn-gallery", err=True)


@app.command("learn-gallery")
def learn_gallery(
    base: Annotated[
        str, typer.Option("--base", help="The base to learn for: toon, or a folder of a toon base.")
    ] = "toon",
    count: Annotated[int, typer.Option(min=1, max=8, help="How many faces.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="How many small steps to take for each.")] = 500,
    rate: Rate = None,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    out: Annotated[Path | None, typer.Option(help="The folder; left out: the base's own.")] = None,
) -> None:
    """Learn drawn faces in advance, as safetensors beside the base; a stopped run goes on, who is there is left."""
    from inkcast.engines.stable_identity.engine import load_engine
    from inkcast.engines.stable_identity.gallery import learn_gallery, sitters
    from inkcast.engines.stable_identity.learn import Learning
    from inkcast.engines.stable_identity.weights import HomeShelf, gallery_folder
    from inkcast.errors import UsageError

    loaded = _base(base, device, dtype)
    if out is None and loaded.folder is None:
        raise UsageError(f"base {base!r} has no folder to keep a gallery in: give --out")
    folder = out or gallery_folder(loaded.folder or Path())
    with showing_progress() as report:
        engine = load_engine(loaded, learning=Learning(steps=steps, rate=rate, seed=seed), report=report)
        members = learn_gallery(engine, tuple(sitters(count)), folder, HomeShelf().unfinished, report)
    typer.echo(f"{len(members)} faces in {folder}")


def _base(base: str, device: str, dtype: str) -> Backbone:
    from inkcast.drawing.easel import DTYPES
    from inkcast.errors import UsageError
    from inkcast.sdxl.backbone import load_backbone

    if dtype not in DTYPES:
        raise UsageError(f"unknown precision {dtype!r}: use one of {', '.join(DTYPES)}")
    return load_backbone(base, device=device, dtype=dtype)


def _person(name: str, images: list[Path]) -> Character:
    """From the library, or of these pictures alone."""
    from inkcast.cast.names import clean_name
    from inkcast.cli.inputs import from_library, gather_cast

    if not images:
        return from_library(name)
    (person,) = gather_cast([f"{clean_name(name)}={image}" for image in images])
    return person
