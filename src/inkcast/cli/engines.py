"""inkcast engines: the methods, and which of them can draw here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from inkcast.cli.common import AsJson

app = typer.Typer()


@dataclass(frozen=True)
class Surveyed:
    """An engine and what a base holds of it: `missing` names parts the base lacks, `ready` is none missing."""

    name: str
    title: str
    source: str
    families: tuple[str, ...]
    licence: str
    weights: str
    missing: tuple[str, ...]
    ready: bool


def survey(base: str = "toon") -> tuple[Surveyed, ...]:
    """Every engine with what `base` lacks for it; loads no weights."""
    from inkcast.engines.registry import ENGINES

    folder = companions(base)
    return tuple(
        Surveyed(info.name, info.title, info.source, info.families, info.licence, info.weights, missing, not missing)
        for info in ENGINES
        for missing in (info.missing(folder),)
    )


def companions(base: str) -> Path | None:
    """The folder that holds a base's engine parts, if there is one; downloads nothing."""
    from inkcast import assets
    from inkcast.errors import BaseModelError, UsageError
    from inkcast.sdxl.source import find_source

    if base == "toon":
        try:
            return assets.toon_weights()
        except BaseModelError:
            return None
    if not Path(base).expanduser().exists():
        raise UsageError(f"no base at {base!r}: give toon, a folder or a .safetensors file")
    return find_source(base).companions


@app.command()
def engines(
    as_json: AsJson = False,
    base: Annotated[str, typer.Option("--base", help="The base to look into: toon, or a folder.")] = "toon",
) -> None:
    """List the methods that keep characters consistent."""
    found = survey(base)
    if as_json:
        from inkcast.engines.registry import parameter_counts

        told = {"engines": [asdict(engine) for engine in found], "parameters": parameter_counts()}
        typer.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("engine", "method", "source", f"weights for {base}", show_edge=False, box=None)
    for engine in found:
        state = "[green]ready[/]" if engine.ready else f"[yellow]lacks {', '.join(engine.missing)}[/]"
        table.add_row(f"[bold]{engine.name}[/]", engine.title, engine.source, state)
    Console().print(table)
