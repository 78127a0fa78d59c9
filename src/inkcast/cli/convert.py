"""inkcast convert: published weights, which come as pickles, into safetensors where an engine looks for them."""

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
        Path, typer.Argument(metavar="FILE", help="StoryMaker's mask.bin, or an IP-Adapter-Plus for SDXL.")
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The base's folder; engines/NAME/ in it gets the file.")
    ],
    base: Annotated[
        str, typer.Option("--base", help="What the weights are for: sdxl, or the folder of a base of other sizes.")
    ] = "sdxl",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace weights that are there already.")] = False,
) -> None:
    """Convert published weights; names and shapes are checked, and no code in the file is run."""
    from inkcast.engines.checkpoints import read_checkpoint
    from inkcast.errors import OutputError
    from inkcast.files import shown

    checkpoint = read_checkpoint(file)
    name = engine_of(checkpoint)
    target = to / "engines" / name / "adapter.safetensors"
    if target.exists() and not overwrite:
        raise OutputError(f"{shown(target)} is there already: give --overwrite, or another --to")
    unet = layout_of(base)
    if name == "story-maker":
        from inkcast.engines.story_maker.weights import convert_published, full_names

        convert_published(unet, full_names(checkpoint), target)
    else:
        from inkcast.engines.ip_adapter.weights import convert_published as convert_plus

        convert_plus(unet, checkpoint, target)
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
    if "image_proj.proj.weight" in names or "image_proj.perceiver_resampler.proj_in.weight" in names:
        raise WeightsError(f"{shown(checkpoint.source)} is an IP-Adapter that no engine here runs: use {known}")
    first = min(names, default="nothing")
    raise WeightsError(f"{shown(checkpoint.source)} is of no known layout (it holds {first}): use {known}")


def layout_of(base: str) -> Any:
    """The base's UNet without weights; raises `BaseModelError` if the folder holds none."""
    from inkcast.sdxl.full_size import sdxl_unet, unet_layout

    return sdxl_unet() if base == "sdxl" else unet_layout(Path(base))
