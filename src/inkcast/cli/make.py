"""inkcast make: a story and a cast become a comic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkcast.cli.common import (
    Bleed,
    Device,
    Dpi,
    Dtype,
    Language,
    Layout,
    LowVram,
    PageSize,
    Template,
    page_choices,
    showing_progress,
)

app = typer.Typer()


@app.command()
def make(
    story: Annotated[
        str,
        typer.Argument(help="A text, Markdown, .fountain, AnyStory .json, a script.yaml, or '-' for standard input."),
    ],
    out: Annotated[Path, typer.Option("--out", help="A folder, or a file: .pdf, .cbz, .epub, .png.")],
    cast: Annotated[
        list[str] | None,
        typer.Option(
            "--cast",
            help="NAME=PICTURE, 'NAME (she)=…' or 'NAME (he, a bear)=…', once per picture; or a NAME of the library.",
        ),
    ] = None,
    llm: Annotated[
        str, typer.Option("--llm", help="Read the story with a language model, PROVIDER:MODEL; see  inkcast script.")
    ] = "",
    engine: Annotated[
        str,
        typer.Option("--engine", help="The method that keeps characters consistent; any-story where the base has it."),
    ] = "",
    base: Annotated[str, typer.Option("--base", help="toon, a hub id, a folder or a .safetensors file.")] = "toon",
    style: Annotated[str, typer.Option("--style", help="The way of drawing, by name.")] = "",
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, max=1000, help="Sampling steps a panel; the engine's own, mostly 25."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="One seed, one comic.")] = 0,
    guidance: Annotated[
        float | None, typer.Option("--guidance", min=0, max=50, help="How closely words are followed.")
    ] = None,
    scheduler: Annotated[str, typer.Option("--scheduler", help="The sampling algorithm, by name.")] = "",
    negative: Annotated[str, typer.Option("--negative", help="What to keep out of the pictures.")] = "",
    pose: Annotated[
        list[Path] | None,
        typer.Option("--pose", help="A picture whose pose to take; several serve the panels in turn."),
    ] = None,
    lora: Annotated[
        list[str] | None,
        typer.Option("--lora", help="FILE.safetensors or FILE.safetensors=STRENGTH: a LoRA to put on the base."),
    ] = None,
    save_routes: Annotated[bool, typer.Option("--save-routes", help="Also write where each character acted.")] = False,
    routes_at: Annotated[
        list[int] | None,
        typer.Option(
            "--routes-at", min=1, help="Of which step, from 1, to write every layer's; repeat it; else of five."
        ),
    ] = None,
    layout: Layout = None,
    page_size: PageSize = None,
    language: Language = None,
    dpi: Dpi = None,
    bleed: Bleed = None,
    template: Template = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    low_vram: LowVram = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comic at --out.")] = False,
) -> None:
    """Draw a comic from a story and a cast."""
    from inkcast.cli.inputs import SCRIPTS, gather_cast, lora_of, naming_lines
    from inkcast.cli.story import read_parsed
    from inkcast.drawing.choices import Drawing
    from inkcast.drawing.reading import check_people
    from inkcast.events import Note
    from inkcast.page.layout import PageOptions
    from inkcast.story.length import check_length
    from inkcast.story.names import CastName

    chosen = page_choices(layout=layout, size=page_size, language=language, dpi=dpi, bleed=bleed, template=template)
    page = PageOptions(**chosen)
    characters = gather_cast(cast or [])
    parsed = read_parsed(story, tuple(CastName(one.name, one.pronouns, one.aliases) for one in characters), llm)
    check_length(parsed, story)
    notes = [str(warning) for warning in parsed.warnings]
    script = Path(story) if Path(story).suffix.lower() in SCRIPTS else None
    if script is not None:
        notes += check_people(parsed.script, characters, script)
    drawing = Drawing(
        engine=engine,
        base=base,
        style=style,
        steps=steps or 0,
        guidance=guidance,
        scheduler=scheduler,
        negative=negative,
        seed=seed,
        device=device,
        dtype=dtype,
        low_vram=low_vram,
        poses=tuple(pose or ()),
        loras=tuple(map(lora_of, lora or ())),
        save_routes=save_routes or bool(routes_at),
        routes_at=tuple(routes_at or ()),
    )
    with showing_progress() as report, naming_lines(script):
        from inkcast.comic import draw_comic
        from inkcast.drawing.enrolling import LibraryShelf

        for note in notes:
            report(Note(note))
        draw_comic(
            parsed.script,
            characters,
            drawing,
            out,
            page=page,
            overwrite=overwrite,
            report=report,
            shelf=LibraryShelf(),
        )
    typer.echo(str(out))
