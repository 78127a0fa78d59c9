"""inkcast convert: published weights, which come as pickles, into safetensors where an engine looks, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from inkcast.engines.checkpoints import Checkpoint

app = typer.Typer()


@app.callback()
def group() -> None:
    """Conversion."""


@app.command()
def convert(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="StoryMaker's mask.bin, an IP-Adapter-Plus for SDXL, or what was made of one."
        ),
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="PATH", help="The base's folder, where engines/NAME/ gets the file; or a public FILE.bin."
        ),
    ],
    base: Annotated[
        str,
        typer.Option("--base", help="What the weights are for: sdxl, toon, or the folder of a base of other sizes."),
    ] = "sdxl",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace weights that are there already.")] = False,
) -> None:
    """Convert published weights, or weights trained here into the published form.

    Names and shapes are checked, and no code in the file is run.
    """
    from inkcast.engines.checkpoints import read_checkpoint
    from inkcast.errors import OutputError, UsageError
    from inkcast.files import shown

    checkpoint = read_checkpoint(file)
    name = engine_of(checkpoint)
    public = to.suffix == ".bin"
    if to.suffix in (".safetensors", ".pt", ".pth", ".ckpt"):
        raise UsageError(f"--to {shown(to)} is neither a folder nor a .bin: give the base's folder, or a FILE.bin")
    target = to if public else to / "engines" / name / "adapter.safetensors"
    if target.exists() and not overwrite:
        raise OutputError(f"{shown(target)} is there already: give --overwrite, or another --to")
    unet = layout_of(base)
    if name == "story-maker":
        from inkcast.engines.story_maker import weights as maker

        checkpoint = maker.full_names(checkpoint)
        (maker.write_published if public else maker.convert_published)(unet, checkpoint, target)
        made, run = maker.facts_of(checkpoint), maker.PUBLISHED
        if public and (made.preparation, made.options) != (run.preparation, run.options):
            typer.echo(
                f"note: made for pictures cut {made.preparation} and {made.options}; whoever reads a mask.bin takes "
                f"{run.preparation} and {run.options}",
                err=True,
            )
    else:
        from inkcast.engines.ip_adapter import weights as plus

        (plus.write_published if public else plus.convert_published)(unet, checkpoint, target)
    typer.echo(str(target))


def engine_of(checkpoint: Checkpoint) -> str:
    """Which engine reads such tensors; raises `WeightsError` for those that none does."""
    from inkcast.errors import WeightsError
    from inkcast.files import shown

    names = checkpoint.tensors
    if any(name.endswith(("pos_embed", "bg_embed")) or name.startswith("image_proj_model.") for name in names):
        return "story-maker"
    if "image_proj.latents" in names:
        return "ip-adapter"
    known = "StoryMaker's mask.bin and ip-adapter-plus_sdxl_vit-h"
    if any(name.startswith("image_proj.") for name in names):
        raise WeightsError(f"{shown(checkpoint.source)} is an IP-Adapter that no engine here runs: use {known}")
    first = min(names, default="nothing")
    raise WeightsError(f"{shown(checkpoint.source)} is of no known layout (it holds {first}): use {known}")


def layout_of(base: str) -> Any:
    """The base's UNet without weights; raises `BaseModelError` if the folder holds none."""
    from inkcast.assets import toon_weights
    from inkcast.sdxl.full_size import sdxl_unet, unet_layout

    if base == "sdxl":
        return sdxl_unet()
    return unet_layout(toon_weights() / "base" if base == "toon" else Path(base))
