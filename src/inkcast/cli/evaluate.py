"""`inkcast evaluate`: numbers anyone can reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkcast.cli.common import showing_progress

app = typer.Typer(no_args_is_help=True, help="Measure the base and the engines.")

Out = Annotated[Path, typer.Option("--out", help="Folder for figures, tables and pictures.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier evaluation in that folder.")]


@app.command("toon-base")
def toon_base(
    out: Out,
    base: Annotated[str, typer.Option("--base", help='"toon", or the folder of another toon base.')] = "toon",
    engine: Annotated[list[str] | None, typer.Option("--engine", help="Engines whose looks to score.")] = None,
    eyes: Annotated[Path | None, typer.Option(help="Folder of the seeing nets; left out: the embedded ones.")] = None,
    prompts: Annotated[int, typer.Option(min=1, help="Prompts for plain text-to-image.")] = 500,
    renders: Annotated[int, typer.Option(min=8, help="Unseen renders for the oracle and the autoencoder.")] = 400,
    faces: Annotated[int, typer.Option(min=3, help="Unseen faces to tell apart.")] = 60,
    looks: Annotated[int, typer.Option(min=1, help="Pictures per engine and number of people.")] = 64,
    people: Annotated[list[int] | None, typer.Option(min=1, max=4, help="Numbers of people.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps.")] = 25,
    guidance: Annotated[float, typer.Option(help="Classifier-free guidance.")] = 5.0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures drawn at a time.")] = 16,
    seed: Annotated[int, typer.Option(help="Of renders, prompts and characters.")] = 20_000,
    overwrite: Overwrite = False,
) -> None:
    """The embedded base: what its nets see, how well it draws what words say, how engines keep looks."""
    from inkcast.evaluation.batches import Batching
    from inkcast.evaluation.toon_base import Plan, evaluate_toon_base

    plan = Plan(
        renders=renders,
        faces=faces,
        prompts=prompts,
        looks=looks,
        people=tuple(people or (1, 2)),
        engines=tuple(engine or ()),
        seed=seed,
        batching=Batching(steps=steps, guidance=guidance, size=batch),
    )
    with showing_progress() as report:
        evaluate_toon_base(base, out, plan, eyes=eyes, overwrite=overwrite, report=report)
    typer.echo(str(out))


@app.command()
def stories(
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the figures as JSON and CSV.")] = None,
) -> None:
    """The offline story parser: precision, recall and F1 over annotated stories."""
    from inkcast.evaluation.stories import evaluate_stories, format_results

    typer.echo(format_results(evaluate_stories(out)))
