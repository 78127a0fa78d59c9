"""What the commands share: errors as one line, options that mean the same everywhere, progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from inkcast.errors import InkcastError

if TYPE_CHECKING:
    from rich.progress import Progress

DEBUG = "--debug"
INTERRUPTED = 130
CommandLineError = typer.BadParameter.__base__ or typer.BadParameter  # what typer's own parser raises: exit code 2

Device = Annotated[str, typer.Option("--device", help="Where to draw: auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="Precision: auto, float32, bfloat16, float16.")]
LowVram = Annotated[bool, typer.Option("--low-vram", help="Move parts of the model to the GPU only while they work.")]
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
        fail(f"unexpected {type(error).__name__}: {error}; run again with  inkcast {DEBUG} …  and report what it shows", 1)


def describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def fail(message: str, code: int) -> NoReturn:
    typer.echo("inkcast: " + " ".join(message.split()), err=True)
    raise typer.Exit(code)


def progress_bars() -> Progress:
    """Bars on standard error, so that standard output stays what the command answers."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=not sys.stderr.isatty(),
    )
