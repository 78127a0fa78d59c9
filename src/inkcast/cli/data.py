"""`inkcast data`: builds the shards that methods are trained on, and looks them over."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inkcast.cli.common import AsJson, showing_progress

app = typer.Typer(no_args_is_help=True, help="Build and inspect the data that methods are trained on.")


class KindName(StrEnum):
    subjects = "subjects"
    people = "people"


class FormatName(StrEnum):
    jpeg = "jpeg"
    webp = "webp"
    png = "png"


Out = Annotated[Path, typer.Option("--out", help="Folder for the shards; an unfinished build there goes on.")]
Kind = Annotated[
    KindName, typer.Option("--kind", help="subjects: several pictures of each; people: who is where in each picture.")
]
PerShard = Annotated[int, typer.Option("--per-shard", min=1, help="Samples of a shard.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace another build in that folder.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes that build; 0: one for each core.")]
Cluster = Annotated[
    str, typer.Option("--cluster", help='Build on Ray: "local", "auto" or an address of a running cluster.')
]
Faces = Annotated[str, typer.Option("--faces", help='Read faces: "toon" or the folder of an insightface pack.')]


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="A folder of pictures, a .jsonl or .csv manifest, StoryMaker's .json.")
    ],
    out: Out,
    kind: Kind = KindName.subjects,
    root: Annotated[
        Path | None, typer.Option(help="Folder that a manifest's paths begin at; left out: the manifest's.")
    ] = None,
    segmenter: Annotated[str, typer.Option(help='Cut subjects out: "toon" or "rembg:MODEL".')] = "",
    faces: Faces = "",
    people: Annotated[str, typer.Option(help='Find people: "toon", or a Mask2Former (folder or hub id).')] = "",
    poses: Annotated[str, typer.Option(help="Read poses of people: a ViTPose (folder or hub id).")] = "",
    captions: Annotated[
        str, typer.Option(help="Write captions where there are none: a Qwen2-VL (folder or hub id).")
    ] = "",
    device: Annotated[str, typer.Option("--device", help="Where the models run: cpu, cuda.")] = "cpu",
    picture_format: Annotated[FormatName, typer.Option("--format", help="How pictures are stored.")] = FormatName.jpeg,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpeg and webp.")] = 95,
    max_side: Annotated[int, typer.Option(min=64, help="Longer side of a stored picture in px, at most.")] = 2048,
    per_shard: PerShard = 256,
    workers: Workers = 1,
    cluster: Cluster = "",
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each worker on a cluster, such as 0.5.")] = 0.0,
    overwrite: Overwrite = False,
) -> None:
    """Builds shards; stop it whenever you like, the same command goes on. What is broken is set aside with a reason."""
    from inkcast.training.data.building import build as run
    from inkcast.training.data.crews import crew_of
    from inkcast.training.data.sources import read_source
    from inkcast.training.data.storing import Encoding
    from inkcast.training.data.tools import ToolChoice

    encoding = Encoding(format=picture_format.value, quality=quality, max_side=max_side)
    tools = ToolChoice(segmenter, faces, people, poses, captions, device)
    items = read_source(source, kind.value, root)
    with showing_progress() as report:
        index = run(
            items,
            kind.value,
            out,
            toolbox=tools,
            encoding=encoding,
            per_shard=per_shard,
            crew=crew_of(workers, cluster, gpus),
            overwrite=overwrite,
            report=report,
        )
    typer.echo(f"{index.samples} samples in {len(index.shards)} shards, {index.broken} set aside: {out}")


@app.command()
def toon(
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="Samples to draw.")] = 64,
    kind: Kind = KindName.subjects,
    size: Annotated[int, typer.Option(min=32, max=2048, help="Side of a picture in px.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed draws others.")] = 0,
    faces: Faces = "",
    per_shard: PerShard = 256,
    workers: Workers = 1,
    cluster: Cluster = "",
    overwrite: Overwrite = False,
) -> None:
    """Draws samples of the toon world into the same shards, to try everything without data."""
    from inkcast.training.data.building import build as run
    from inkcast.training.data.crews import crew_of
    from inkcast.training.data.storing import Encoding
    from inkcast.training.data.tools import ToolChoice
    from inkcast.training.data.toon import toon_items

    with showing_progress() as report:
        index = run(
            toon_items(kind.value, count, size, seed),
            kind.value,
            out,
            toolbox=ToolChoice(faces=faces),
            encoding=Encoding(format="png"),
            per_shard=per_shard,
            crew=crew_of(workers, cluster),
            overwrite=overwrite,
            report=report,
        )
    typer.echo(f"{index.samples} samples in {len(index.shards)} shards, {index.broken} set aside: {out}")


@app.command("inspect")
def inspect_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that was built.")],
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet to this PNG.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples on the contact sheet.")] = 24,
    broken: Annotated[bool, typer.Option("--broken", help="List everything that was set aside.")] = False,
    verify: Annotated[bool, typer.Option(help="Read every shard and compare its digest.")] = True,
    as_json: AsJson = False,
) -> None:
    """Counts what is there, checks the shards, tells what was set aside and why; exit code 1 if a shard is damaged."""
    from inkcast.images import save_png
    from inkcast.training.data.inspecting import contact_sheet, inspect, read_broken
    from inkcast.training.data.shards import Shards

    with showing_progress() as report:
        found = inspect(folder, verify=verify, report=report)
    if sheet is not None:
        save_png(contact_sheet(Shards(folder), samples), sheet)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        for name, value in found.model_dump().items():
            typer.echo(f"{name:<10} {listed(value)}")
    if broken:
        for entry in read_broken(folder):
            typer.echo(entry.model_dump_json() if as_json else f"{entry.source}: {entry.reason}")
    raise typer.Exit(1 if found.damaged else 0)


def listed(value: object) -> str:
    """A count, or counts by name, the greatest first."""
    if isinstance(value, dict):
        return ", ".join(f"{number} {name if name != '' else '(none)'}" for name, number in value.items()) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
