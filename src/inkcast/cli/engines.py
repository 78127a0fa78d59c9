"""inkcast engines: the methods, and which of them can draw here."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from inkcast.cli.common import AsJson

app = typer.Typer()


@app.command()
def engines(
    as_json: AsJson = False,
    base: Annotated[
        str, typer.Option("--base", help="The base to look into: toon, a folder, a file or a hub id.")
    ] = "toon",
) -> None:
    """List the methods that keep characters consistent."""
    from inkcast.engines.survey import survey

    found = survey(base)
    if as_json:
        from inkcast.engines.registry import VISION, parameter_counts

        told = {
            "engines": [asdict(engine) for engine in found],
            "vision": [asdict(weights) for weights in VISION],
            "parameters": parameter_counts(),
        }
        typer.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("engine", "method", "source", f"weights for {base}", show_edge=False, box=None)
    for engine in found:
        state = "[green]ready[/]" if engine.ready else f"[yellow]lacks {', '.join(engine.missing)}[/]"
        table.add_row(f"[bold]{engine.name}[/]", engine.title, engine.source, state)
    Console().print(table)
