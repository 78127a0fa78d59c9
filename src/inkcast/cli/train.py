"""`inkcast train`: runs a recipe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()
ESTIMATED_OVER = 3600.0  # seconds; at full size lines of the log may be minutes apart


@app.callback()
def group() -> None:
    """Training."""


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to train, and how.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe: --set optimizer.clip=0.5."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
) -> None:
    """Train a part from a recipe; stop it whenever you like and go on with --resume."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from inkcast.training.recipe import load_recipe

    wanted = load_recipe(recipe, overrides or ())
    from inkcast.training.trainer import train as run

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    quiet = not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0"  # torchrun's: the first process has the bar
    with Progress(*columns, console=console, disable=quiet, speed_estimate_period=ESTIMATED_OVER) as bars:
        task = bars.add_task(wanted.name, total=1.0)

        def report(fraction: float, line: dict[str, Any]) -> None:
            text = f"{wanted.name} {line['step']}: loss {line['loss']:.4f}, {line['images_per_second']:.1f} images/s"
            bars.update(task, completed=fraction, description=text)

        def note(text: str) -> None:
            console.print(f"note: {text}", style="yellow", markup=False, highlight=False)

        folder = run(wanted, resume, report, note)
    typer.echo(str(folder))
