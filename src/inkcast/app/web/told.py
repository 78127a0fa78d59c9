"""Errors in the browser: what is known is said in its own words; what is not goes to the log."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from inkcast.errors import InkcastError

log = logging.getLogger("inkcast.studio")


@contextmanager
def telling() -> Iterator[None]:
    """Turns what a person can mend into Gradio's notice of it; anything else is logged, and said to be a fault."""
    try:
        yield
    except gr.Error:
        raise
    except InkcastError as error:
        raise gr.Error(str(error), title="Not done", duration=20, print_exception=False) from error
    except Exception as error:
        log.exception("the studio failed")
        raise gr.Error(
            "the studio itself failed; what you had is kept: try again, and see its log for the reason",
            title="A fault of the studio",
            print_exception=False,
        ) from error


def told(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A Gradio handler whose errors are told."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def steps(*args: Any, **named: Any) -> Iterator[Any]:
            with telling():
                yield from handler(*args, **named)

        return steps

    @functools.wraps(handler)
    def once(*args: Any, **named: Any) -> Any:
        with telling():
            return handler(*args, **named)

    return once
