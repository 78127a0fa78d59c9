"""inkcast segment: where a character is in a picture, asked of AnyStory's router."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkcast.cli.common import Device, Dtype, LowVram, showing_progress

app = typer.Typer()


@app.callback()
def group() -> None:
    """Segmentation."""


@app.command()
def segment(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to look into.")],
    reference: Annotated[
        list[Path], typer.Option("--reference", help="A picture of the character to find; several show the same one.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The mask, a PNG of the picture's size: white where it is.")],
    other: Annotated[
        list[Path] | None, typer.Option("--other", help="A picture of somebody else who is there, to be told apart.")
    ] = None,
    prompt: Annotated[str, typer.Option("--prompt", help="What the picture shows, in words.")] = "",
    noise: Annotated[
        float, typer.Option("--noise", min=0, max=1, help="How far the picture is noised: 0 not at all, 1 wholly.")
    ] = 0.3,
    base: Annotated[str, typer.Option("--base", help="toon, a hub id, a folder or a .safetensors file.")] = "toon",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="One seed, one mask.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    low_vram: LowVram = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier mask at --out.")] = False,
) -> None:
    """Find a character in a picture by a reference."""
    from inkcast.errors import OutputError, UsageError
    from inkcast.files import shown
    from inkcast.images import load_reference, open_picture, save_png

    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {shown(out)} is not a PNG: name the mask like  mask.png")
    if out.exists() and not overwrite:
        raise OutputError(f"{shown(out)} is there already: give --overwrite, or another name")
    picture = open_picture(image)
    sought = tuple(load_reference(path) for path in reference)
    others = tuple((load_reference(path),) for path in other or ())

    from inkcast.drawing.choices import Drawing
    from inkcast.drawing.easel import open_easel

    drawing = Drawing(engine="any-story", base=base, device=device, dtype=dtype, low_vram=low_vram)
    with showing_progress() as report:
        easel = open_easel(drawing, report)
    from inkcast.engines.any_story.engine import AnyStory
    from inkcast.engines.any_story.segment import Asking, find

    assert isinstance(easel.engine, AnyStory)
    save_png(find(easel.engine, picture, (sought, *others), Asking(noise, prompt, seed)), out)
    typer.echo(str(out))
