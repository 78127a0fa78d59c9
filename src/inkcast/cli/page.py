"""inkcast redraw, inkcast page: a finished comic, changed without drawing all of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkcast.cli.common import Bleed, Dpi, Language, Layout, PageSize, Template, page_choices, showing_progress

app = typer.Typer()

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a comic.")]


@app.command()
def redraw(
    folder: Folder,
    panel: Annotated[int, typer.Option("--panel", min=1, help="Which panel, counted from 1.")],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="A new seed; else one of its own.")
    ] = None,
    description: Annotated[str, typer.Option("--description", help="What the panel shall show instead.")] = "",
) -> None:
    """Draw one panel of a finished comic again."""
    from inkcast.cli.inputs import naming_lines

    with showing_progress() as report, naming_lines(folder / "script.yaml"):
        from inkcast.drawing.enrolling import LibraryShelf
        from inkcast.redrawing import redraw_panel

        chosen = redraw_panel(folder, panel, seed=seed, description=description, report=report, shelf=LibraryShelf())
    typer.echo(f"{folder}: panel {panel}, seed {chosen}")


@app.command()
def page(
    folder: Folder,
    script: Annotated[
        Path | None, typer.Option("--script", help="A script whose words to letter; as many panels.")
    ] = None,
    layout: Layout = None,
    page_size: PageSize = None,
    language: Language = None,
    dpi: Dpi = None,
    bleed: Bleed = None,
    template: Template = None,
) -> None:
    """Letter and lay out a finished comic again, without drawing."""
    from inkcast.cli.inputs import naming_lines
    from inkcast.redrawing import letter_again

    changes = page_choices(layout=layout, size=page_size, language=language, dpi=dpi, bleed=bleed, template=template)
    with naming_lines(script):
        letter_again(folder, script, changes)
    typer.echo(str(folder))
