"""`inkcast evaluate`: numbers anyone can reproduce."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inkcast.cli.common import AsJson, Device, Dtype, showing_progress
from inkcast.errors import UsageError

if TYPE_CHECKING:
    from inkcast.evaluation.measuring import Choices

app = typer.Typer(no_args_is_help=True, help="Measure the base and the engines.")

Out = Annotated[Path, typer.Option("--out", help="Folder for figures, tables and pictures.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier evaluation in that folder.")]
Base = Annotated[str, typer.Option("--base", help='"toon", a diffusers folder, a .safetensors file or a hub id.')]
Engines = Annotated[
    list[str] | None, typer.Option("--engine", help="Engines to measure; left out: all that have weights.")
]
Eyes = Annotated[Path | None, typer.Option(help="Folder of the toon world's seeing nets; left out: the embedded ones.")]
Steps = Annotated[int, typer.Option(min=1, help="Sampling steps.")]
Guidance = Annotated[float | None, typer.Option(help="Classifier-free guidance; left out: each engine's own.")]
Scheduler = Annotated[str | None, typer.Option(help="Sampler, as of inkcast make; left out: each engine's own.")]
Batch = Annotated[int, typer.Option(min=1, help="Pictures drawn at a time.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of characters, prompts and pictures.")]
Pairs = Annotated[int, typer.Option("--pairs", min=0, help="Blind pairs to put before people, as pairs.html.")]
Data = Annotated[Path, typer.Argument(help="Folder of the data, laid out as docs/evaluation.md says.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Take only so many identities, subjects or stories.")]
Images = Annotated[
    int | None,
    typer.Option(
        "--images", min=1, help="Pictures of each identity (pair, subject) and prompt; else as the suite has."
    ),
]
ClipModel = Annotated[str, typer.Option("--clip", help="CLIP model, hub id or folder: CLIP-T and CLIP-I.")]
DinoModel = Annotated[str, typer.Option("--dino", help="DINO model, hub id or folder.")]
FacePack = Annotated[Path | None, typer.Option("--faces", help="Folder of an insightface pack: Face Sim.")]


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
    told: Annotated[int, typer.Option(min=1, help="Pictures per look told in words and number of people.")] = 48,
    people: Annotated[list[int] | None, typer.Option(min=1, max=4, help="Numbers of people.")] = None,
    steps: Steps = 25,
    guidance: Guidance = None,
    batch: Batch = 16,
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
        told=told,
        people=tuple(people or (1, 2)),
        engines=tuple(engine or ()),
        seed=seed,
        batching=Batching(steps=steps, guidance=guidance, size=batch),
    )
    with showing_progress() as report:
        evaluate_toon_base(base, out, plan, eyes=eyes, overwrite=overwrite, report=report)
    typer.echo(str(out))


@app.command("by-eye")
def by_eye(
    out: Out,
    base: Annotated[str, typer.Option("--base", help='"toon", or the folder of another toon base.')] = "toon",
    labels: Annotated[Path | None, typer.Option("--labels", help="labels.csv, filled in by a person.")] = None,
    eyes: Eyes = None,
    prompts: Annotated[int, typer.Option(min=1, help="Pictures to draw.")] = 100,
    steps: Steps = 25,
    guidance: Guidance = None,
    batch: Batch = 16,
    seed: Seed = 20_000,
    overwrite: Overwrite = False,
) -> None:
    """Generated pictures to be labelled by eye, and how far the oracle agrees with a person's labels."""
    from inkcast.assets import toon_weights
    from inkcast.evaluation.batches import Batching
    from inkcast.evaluation.by_eye import evaluate_by_eye
    from inkcast.evaluation.oracle import OracleReader
    from inkcast.sdxl.backbone import load_backbone
    from inkcast.vision.detector import ToonDetector

    nets = eyes or toon_weights()
    with showing_progress() as report:
        found = evaluate_by_eye(
            load_backbone(base),
            OracleReader(nets / "oracle"),
            ToonDetector(nets / "detector"),
            out,
            count=prompts,
            seed=seed,
            batching=Batching(steps=steps, guidance=guidance, size=batch),
            labels=labels,
            overwrite=overwrite,
            report=report,
        )
    for name, estimate in found.items():
        typer.echo(f"{name}: {estimate}, {estimate.count} labelled")
    typer.echo(str(out))


@app.command()
def stories(
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the figures as JSON and CSV.")] = None,
) -> None:
    """The offline story parser: precision, recall and F1 over annotated stories."""
    from inkcast.evaluation.stories import evaluate_stories, format_results

    typer.echo(format_results(evaluate_stories(out)))


@app.command()
def toon(
    out: Out,
    base: Base = "toon",
    engine: Engines = None,
    eyes: Eyes = None,
    one: Annotated[int, typer.Option(min=1, help="Pictures of one character.")] = 64,
    two: Annotated[int, typer.Option(min=0, help="Pictures of two characters.")] = 64,
    three: Annotated[int, typer.Option(min=0, help="Pictures of three characters.")] = 32,
    pairs: Pairs = 0,
    steps: Steps = 25,
    guidance: Guidance = None,
    scheduler: Scheduler = None,
    batch: Batch = 16,
    seed: Seed = 20_000,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Unseen drawn characters, every engine beside words alone; a stopped run goes on where it was."""
    from inkcast.evaluation.measuring import evaluate_toon

    choices = _choices(base, engine, seed, steps, guidance, batch, device, dtype, pairs, overwrite, scheduler)
    counts = {people: count for people, count in ((1, one), (2, two), (3, three)) if count}
    with showing_progress() as report:
        evaluate_toon(out, choices, counts, eyes=eyes, report=report)
    typer.echo(str(out))


def _over_data(name: str, about: str) -> None:
    """Adds the command of a suite over a folder of data."""

    @app.command(name, help=about)
    def run(
        data: Data,
        out: Out,
        base: Base = "toon",
        engine: Engines = None,
        clip: ClipModel = "",
        dino: DinoModel = "",
        faces: FacePack = None,
        eyes: Eyes = None,
        limit: Limit = None,
        images: Images = None,
        pairs: Pairs = 0,
        steps: Steps = 25,
        guidance: Guidance = None,
        scheduler: Scheduler = None,
        batch: Batch = 4,
        seed: Seed = 0,
        device: Device = "auto",
        dtype: Dtype = "auto",
        overwrite: Overwrite = False,
    ) -> None:
        from inkcast.evaluation.data_suites import data_suite
        from inkcast.evaluation.measuring import JudgeSources, evaluate_data

        choices = _choices(base, engine, seed, steps, guidance, batch, device, dtype, pairs, overwrite, scheduler)
        suite = data_suite(name, data, seed, images, limit)
        with showing_progress() as report:
            evaluate_data(suite, out, choices, JudgeSources(clip, dino, faces), eyes=eyes, report=report)
        typer.echo(str(out))


_over_data("fastcomposer", "FastComposer's protocol: 15 identities x 40 prompts x 4 pictures.")
_over_data("fastcomposer-pairs", "FastComposer's protocol with two in a picture: 105 pairs x 21 prompts x 4 pictures.")
_over_data("storymaker", "StoryMaker's protocol: 40 characters x 20 prompts x 4 pictures.")
_over_data("dreambench", "DreamBench: every subject under the 25 prompts of its sort.")
_over_data("vistory", "ViStoryBench: every shot of every story.")


@app.command()
def routing(
    out: Out,
    base: Base = "toon",
    renders: Annotated[int, typer.Option(min=1, help="Unseen renders.")] = 256,
    levels: Annotated[int, typer.Option(min=1, help="Noise levels at which each is measured.")] = 5,
    true_gates: Annotated[
        bool, typer.Option("--true-gates", help="Subjects act inside their masks, whatever the router says.")
    ] = False,
    seed: Seed = 20_000,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """AnyStory's routing maps against the true masks of unseen renders, layer by layer."""
    from inkcast.evaluation.measuring import Choices, evaluate_routing

    choices = Choices(base, seed=seed, device=device, dtype=dtype, overwrite=overwrite)
    with showing_progress() as report:
        found = evaluate_routing(out, choices, renders, levels, true_gates=true_gates, report=report)
    typer.echo(f"finer layers: {found.finer}; {out}")


@app.command()
def evidence(
    out: Annotated[Path, typer.Option("--out", help="A folder for each claim, and evidence.html.")] = Path("evidence"),
    claim: Annotated[list[str] | None, typer.Option("--claim", help="Claims to test; left out: all.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only list the claims, and what each needs.")] = False,
    base: Base = "toon",
    other_base: Annotated[
        Path | None, typer.Option("--sd-base", help="A toon base of family sd, for the claim about bases.")
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Where `inkcast train` left its runs.")] = Path("runs"),
    eyes: Eyes = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures of each sort, renders for maps; left out: as many as each claim asks for."),
    ] = None,
    learn: Annotated[int, typer.Option(min=1, help="Steps in which StableIdentity learns a face.")] = 500,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Fresh engine parts: tries an experiment out.")
    ] = False,
    steps: Steps = 25,
    guidance: Guidance = None,
    batch: Batch = 16,
    seed: Seed = 20_000,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """The papers' claims as experiments: each a table, a figure and a page; says what needs weights first."""
    from inkcast.assets import toon_weights
    from inkcast.evaluation.evidence.claims import CLAIMS
    from inkcast.evaluation.evidence.lab import Lab
    from inkcast.evaluation.evidence.running import gather_evidence, listing
    from inkcast.evaluation.measuring import open_base
    from inkcast.evaluation.toon_base import Eyes as Seeing

    names = claim or [one.name for one in CLAIMS]
    choices = _choices(base, None, seed, steps, guidance, batch, device, dtype, 0, overwrite)
    with showing_progress() as report:
        lab = Lab(
            open_base(choices, "float32"),
            runs,
            untrained,
            count or 0,
            seed,
            choices.batching,
            learn,
            None if other_base is None else open_base(replace(choices, base=str(other_base)), "float32"),
            out / "faces",
        )
        if listed:
            typer.echo(listing(names, lab))
            return
        found = gather_evidence(names, lab, Seeing(eyes or toon_weights()), out, overwrite=overwrite, report=report)
    for name, outcome in found.items():
        typer.echo(f"{name}: {len(outcome.rows)} figures" + "".join(f"; {a} {n}" for a, n in outcome.lacking.items()))
    typer.echo(str(out / "evidence.html"))


@app.command("passers-by")
def passers_by(
    out: Out,
    base: Base = "toon",
    engine: Engines = None,
    eyes: Eyes = None,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of each engine, and of words alone.")] = 64,
    boxed: Annotated[bool, typer.Option("--boxed", help="Ask for the hero in the left half.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of every panel, such as one_figure=false."),
    ] = None,
    steps: Steps = 25,
    guidance: Guidance = None,
    batch: Batch = 16,
    seed: Seed = 20_000,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Does a stranger get the hero's looks? One of the cast beside somebody whom only the text names."""
    from inkcast.evaluation.passers_by import evaluate_passers_by

    choices = _choices(base, engine, seed, steps, guidance, batch, device, dtype, 0, overwrite)
    with showing_progress() as report:
        found = evaluate_passers_by(
            out, choices, pictures, boxed=boxed, settings=_settings(settings or []), eyes=eyes, report=report
        )
    for one in found:
        had = f"{one.stranger} of the hero's looks, {one.face} of the hero's face"
        typer.echo(f"{one.painter}: passers-by have {had}; copies {one.copies}")
    typer.echo(str(out))


@app.command()
def poses(
    out: Out,
    base: Base = "toon",
    eyes: Eyes = None,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures, with poses and without.")] = 64,
    steps: Steps = 25,
    guidance: Guidance = None,
    seed: Seed = 20_000,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Does the pose ControlNet put people where their skeletons are, doing what these do?"""
    from inkcast.evaluation.poses import evaluate_poses

    choices = _choices(base, None, seed, steps, guidance, 1, device, dtype, 0, overwrite)
    with showing_progress() as report:
        found = evaluate_poses(out, choices, pictures, eyes=eyes, report=report)
    for one in found:
        typer.echo(f"{one.painter}: actions {one.action}, overlap {one.overlap}")
    typer.echo(str(out))


@app.command()
def preferences(
    folder: Annotated[Path, typer.Argument(help="Folder of an evaluation made with --pairs.")],
    answers: Annotated[list[Path], typer.Argument(help="Raters' files of answers.")],
    as_json: AsJson = False,
) -> None:
    """Count raters' answers to blind pairs, with intervals."""
    import json

    from inkcast.evaluation.pairs import count_answers

    found, raters = count_answers(folder, answers)
    if as_json:
        typer.echo(json.dumps({"raters": raters, "preferences": [one.model_dump() for one in found]}, indent=2))
        return
    typer.echo(f"{raters} raters")
    for one in found:
        shares = f"{one.share:.3f} ({one.low:.3f} to {one.high:.3f})"
        counts = f"{one.wins} wins, {one.losses} losses, {one.ties} ties"
        typer.echo(f"{one.question}: {one.first} over {one.second}: {shares}; {counts}")


def _settings(written: list[str]) -> dict[str, str | int | float | bool]:
    """`one_figure=false` as a script would mean it. Raises `UsageError`."""
    from inkcast.training.recipe import toml_value

    found = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not equals:
            raise UsageError(f"--set {one}: write NAME=VALUE, such as one_figure=false")
        found[name.strip()] = toml_value(value)
    return found


def _choices(
    base: str,
    engines: list[str] | None,
    seed: int,
    steps: int,
    guidance: float | None,
    batch: int,
    device: str,
    dtype: str,
    pairs: int,
    overwrite: bool,
    scheduler: str | None = None,
) -> Choices:
    from inkcast.evaluation.batches import Batching
    from inkcast.evaluation.measuring import Choices

    batching = Batching(steps=steps, guidance=guidance, scheduler=scheduler, size=batch)
    return Choices(base, tuple(engines or ()), seed, batching, device, dtype, pairs, overwrite)
