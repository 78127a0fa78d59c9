"""What the commands share: errors as one line, options that mean the same everywhere, progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from inkcast.errors import InkcastError
from inkcast.events import Event, Note, Report

if TYPE_CHECKING:
    from rich.progress import TaskID

DEBUG = "--debug"
INTERRUPTED = 130
CommandLineError: type[Exception] = typer.BadParameter.__mro__[1]  # what typer's own parser raises: exit code 2

Device = Annotated[str, typer.Option("--device", help="Where to draw: auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="Precision: auto, float32, bfloat16, float16.")]
LowVram = Annotated[bool, typer.Option("--low-vram", help="Move parts of the model to the GPU only while they work.")]
Layout = Annotated[str | None, typer.Option("--layout", help="How panels share a page, by name; auto weighs them.")]
PageSize = Annotated[
    str | None, typer.Option("--page-size", help="comic, a4, a5, b5, letter, manga, square, or WIDTHxHEIGHT in mm.")
]
Language = Annotated[
    str | None, typer.Option("--language", help="Letter the script's translations into this language, such as de.")
]
Dpi = Annotated[int | None, typer.Option("--dpi", min=36, max=1200, help="Dots per inch of page pictures.")]
Template = Annotated[
    Path | None, typer.Option("--template", help="Your own Typst file, whose definitions override the shipped style.")
]
Bleed = Annotated[float | None, typer.Option("--bleed", min=0, max=50, help="Millimetres drawn beyond the cut.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


@contextmanager
def report_errors(debug: bool) -> Iterator[None]:
    """Turns what a command raises into one line on standard error and an exit code; with `debug`, lets it through."""
    try:
        yield
    except KeyboardInterrupt:
        if debug:
            raise
        fail("stopped: nothing was changed that is not finished", INTERRUPTED)
    except InkcastError as error:
        if debug:
            raise
        fail(str(error), error.exit_code)
    except OSError as error:
        if debug or isinstance(error, BrokenPipeError):
            raise
        fail(describe(error), 1)
    except (typer.Exit, typer.Abort, CommandLineError):
        raise
    except Exception as error:
        if debug:
            raise
        fail(
            f"unexpected {type(error).__name__}: {error}; run again with  inkcast {DEBUG} …  and report what it shows",
            1,
        )


def describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def fail(message: str, code: int) -> NoReturn:
    typer.echo("inkcast: " + " ".join(message.split()), err=True)
    raise typer.Exit(code)


def page_choices(**options: Any) -> dict[str, Any]:
    """The page options that were given."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def showing_progress() -> Iterator[Report]:
    """A bar per stage and a line per note, on standard error: standard output stays what the command answers."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(event: Event) -> None:
            if isinstance(event, Note):
                console.print(f"note: {event.text}", style="yellow", markup=False, highlight=False)
                return
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=event.total)
            bars.update(tasks[event.stage], completed=event.done, total=event.total)

        yield report
