"""inkcast bench: how long the parts of a comic take on this machine, and what each engine adds to the plain base."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inkcast.cli.common import AsJson, Device, Dtype, LowVram, showing_progress

if TYPE_CHECKING:
    from inkcast.app.load import Felt
    from inkcast.benchmarking.comparison import Comparison

app = typer.Typer()

COMIC = "comic"
STUDIO = "studio"
SCALES = ("toon", "topology", "full")


@app.command()
def bench(
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            help="What to measure, as often as wanted: comic (the parts of a comic), or every engine beside the plain "
            "base on toon, on topology (SDXL's, a quarter wide) or at full size (on a GPU, or slowly: --device cpu); "
            "left out: all of these. studio: 50 clients that list while one worker draws eight comics.",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="The comic's method, any-story where the base has it; and the only one beside the plain base.",
        ),
    ] = "",
    base: Annotated[
        str, typer.Option("--base", help="The comic's base: toon, a hub id, a folder or a .safetensors file.")
    ] = "toon",
    steps: Annotated[int, typer.Option("--steps", min=2, max=1000, help="The comic's sampling steps a panel.")] = 25,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="How often each part is timed.")] = 3,
    memory: Annotated[bool, typer.Option(help="Also measure memory, in a process for every engine and cast.")] = True,
    quick: Annotated[bool, typer.Option("--quick", help="On toon alone, once, without memory.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    low_vram: LowVram = False,
    as_json: AsJson = False,
) -> None:
    """Time the parts of a comic on this machine, and each engine against plain diffusers."""
    from inkcast.errors import UsageError

    wanted = ["toon"] if quick and not on else on or [COMIC, *SCALES]
    for name in wanted:
        if name not in (known := (COMIC, *SCALES, STUDIO)):
            raise UsageError(f"--on {name!r} is unknown: use {', '.join(known)}")
    from dataclasses import asdict

    from inkcast.app.load import Load, measure_load
    from inkcast.benchmarking.comic import measure
    from inkcast.benchmarking.comparison import Plan, compare, this_machine
    from inkcast.benchmarking.models import ENGINES
    from inkcast.drawing.choices import Drawing
    from inkcast.engines.registry import engine_info

    rounds = 1 if quick else rounds
    with showing_progress() as report:
        seconds = {}
        if COMIC in wanted:
            drawing = Drawing(engine=engine, base=base, steps=steps, device=device, dtype=dtype, low_vram=low_vram)
            seconds = measure(drawing, rounds=rounds, report=report)
        scales = [scale for scale in SCALES if scale in wanted]
        plan = Plan(
            scales,  # type: ignore[arg-type]
            engines=(engine_info(engine).name,) if engine else ENGINES,
            rounds=rounds,
            memory=memory and not quick,
            device=device,
        )
        found = list(compare(plan, report))
        felt = measure_load(Load()) if STUDIO in wanted else None
    if as_json:
        told = {"machine": asdict(this_machine()), "comic": seconds, "models": [asdict(each) for each in found]}
        if felt is not None:
            told["studio"] = asdict(felt)
        typer.echo(json.dumps(told, indent=2))
        return
    for name, value in seconds.items():
        typer.echo(f"{name:<14}{value * 1000:10.1f} ms")
    for each in found:
        show(each)
    if felt is not None:
        told_load(felt)


def told_load(felt: Felt) -> None:
    """What the clients of a busy studio felt."""
    typer.echo(
        f"studio: {felt.requests} list requests in {felt.seconds:.0f} s beside {felt.jobs_done} comics, "
        f"{len(felt.errors)} errors; "
        f"{felt.p50:.0f} ms at the median, {felt.p95:.0f} ms at the 95th percentile, {felt.p99:.0f} ms at the 99th"
    )


def show(found: Comparison) -> None:
    """One model's figures as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"\n[bold]{found.model}[/]: {found.skipped or found.about}")
    if found.skipped:
        return
    table = Table("engine", "cast", "step", "time", "processor", "panel", "operations", "memory", "wanted", box=None)
    peaks = {(peak.engine, peak.people): f"{peak.ratio:.2f}" for peak in found.peaks}
    for one in found.costs:
        numbers = (one.time_ratio, one.cpu_ratio, one.panel_ratio, one.flops_ratio)
        table.add_row(
            one.engine,
            str(one.people or ""),
            f"{one.step_seconds * 1000:.1f} ms",
            *(f"{number:.3f}" for number in numbers),
            peaks.get((one.engine, one.people), ""),
            verdict(one),
        )
    console.print(table)
    for name, part in (
        ("ReferenceNet of the UNet", found.reference_net),
        ("a learning step of its UNet", found.learning),
    ):
        if part is not None:
            shares = f"{part.time_ratio:.3f} of the time, {part.cpu_ratio:.3f} of the processor time"
            console.print(f"{name}: {shares} ({part.seconds * 1000:.1f} ms) {verdict(part)}")


def verdict(one: Any) -> str:
    """What was asked of a `Cost` or a `Part`, and how far it is off."""
    if one.wanted is None:
        return ""
    state = f"missed by {one.over:.3f}" if one.over > 0 else "met"
    return f"{one.wanted:.2f}: {state}"
