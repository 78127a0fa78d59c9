"""The command line: one module per group of commands, each imported only when one of its commands runs.

Every module here exposes `app`, a `typer.Typer`, and is light to import: torch, diffusers, transformers, scipy and
the like are imported inside the commands. `COMMANDS` is all that `inkcast --help` reads.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from inkcast import __version__
from inkcast.cli.common import DEBUG, report_errors


@dataclass(frozen=True)
class Entry:
    """Where a command lives; `group` says that the module's whole app hangs under the name (`inkcast cast add`)."""

    module: str
    help: str
    group: bool = False


COMMANDS = {
    "make": Entry("inkcast.cli.make", "Draw a comic from a story and a cast."),
    "redraw": Entry("inkcast.cli.page", "Draw one panel of a finished comic again."),
    "page": Entry("inkcast.cli.page", "Letter and lay out a finished comic again, without drawing."),
    "script": Entry("inkcast.cli.story", "Write the script of a story to standard output."),
    "styles": Entry("inkcast.cli.story", "List the drawing styles by group."),
    "cast": Entry("inkcast.cli.cast", "Keep characters between comics.", group=True),
    "identity": Entry("inkcast.cli.identity", "Learn faces for the engine stable-identity.", group=True),
    "engines": Entry("inkcast.cli.engines", "List the methods that keep characters consistent."),
    "segment": Entry("inkcast.cli.segment", "Find a character in a picture by a reference."),
    "toon": Entry("inkcast.cli.toon", "Draw characters and scenes of the toon world.", group=True),
    "data": Entry("inkcast.cli.data", "Build and inspect the data that methods are trained on.", group=True),
    "convert": Entry(
        "inkcast.cli.convert", "Convert published weights, or weights trained here into the published form."
    ),
    "train": Entry("inkcast.cli.train", "Train a part from a recipe."),
    "evaluate": Entry("inkcast.cli.evaluate", "Measure the base, the engines and the story parser.", group=True),
    "bench": Entry("inkcast.cli.bench", "Time the parts of a comic on this machine."),
    "studio": Entry("inkcast.cli.studio", "Run the web app and the HTTP API on one port.", group=True),
    "worker": Entry("inkcast.cli.worker", "Take jobs from the studio's queue and do them, one at a time."),
    "doctor": Entry("inkcast.cli.doctor", "Show what this machine has and what is missing."),
}


def load_command(name: str) -> Any:
    """The command (or group) called `name`, its module imported."""
    entry = COMMANDS[name]
    group = typer.main.get_group(import_module(entry.module).app)
    command = group if entry.group else group.commands[name]
    command.name = name
    if entry.group:
        command.help = entry.help
    return command


class LazyGroup(TyperGroup):
    """Lists `COMMANDS` by name and help; imports a command's module once that command was asked for."""

    def __init__(self, **settings: Any) -> None:
        settings["commands"] = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}
        super().__init__(**settings)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else None, rest

    def invoke(self, ctx: Any) -> Any:
        with report_errors(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


app = typer.Typer(cls=LazyGroup, add_completion=False, no_args_is_help=True)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"inkcast {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """The same cast in every panel: comics whose characters stay themselves."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. `--debug` may stand anywhere; termination unwinds like Ctrl-C, so nothing stays half-written."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if DEBUG in arguments:
        arguments = [DEBUG, *(argument for argument in arguments if argument != DEBUG)]
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    typer.main.get_command(app)(arguments, prog_name="inkcast")
