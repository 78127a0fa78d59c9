"""inkcast bench: how long the parts of a comic take on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from inkcast.cli.common import AsJson, Device, Dtype, LowVram, showing_progress

app = typer.Typer()


@app.command()
def bench(
    engine: Annotated[str, typer.Option("--engine", help="The method; any-story where the base has it.")] = "",
    base: Annotated[str, typer.Option("--base", help="toon, a hub id, a folder or a .safetensors file.")] = "toon",
    steps: Annotated[int, typer.Option("--steps", min=2, max=1000, help="Sampling steps a panel.")] = 25,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="How often each part is timed.")] = 3,
    device: Device = "auto",
    dtype: Dtype = "auto",
    low_vram: LowVram = False,
    as_json: AsJson = False,
) -> None:
    """Time the parts of a comic on this machine."""
    from inkcast.benchmarking import measure
    from inkcast.drawing.choices import Drawing

    drawing = Drawing(engine=engine, base=base, steps=steps, device=device, dtype=dtype, low_vram=low_vram)
    with showing_progress() as report:
        seconds = measure(drawing, rounds=rounds, report=report)
    if as_json:
        typer.echo(json.dumps(seconds, indent=2))
        return
    for name, value in seconds.items():
        typer.echo(f"{name:<14}{value * 1000:10.1f} ms")
