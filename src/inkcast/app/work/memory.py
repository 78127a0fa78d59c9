"""Memory that runs out: the work is done once more with less of it, and where nothing is left to save that is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from inkcast.drawing.choices import Drawing
from inkcast.errors import EngineError

SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")  # of CUDA, the CPU, libraries
MOVED_OFF = "the GPU, even with parts moved off it"
T = TypeVar("T")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that memory ran out."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def sparing(work: Callable[[], T], spare: Callable[[], None]) -> T:
    """What `work` gives; each time that memory runs out in it, `spare` is called and it begins again.

    Raises:
        EngineError: `spare` knows of nothing more to save.
    """
    while True:
        try:
            return work()
        except Exception as error:
            if not out_of_memory(error):
                raise
        spare()  # not above: while an error is handled, its frames hold what is to be freed


def leaner(drawing: Drawing, device: str, what: str, advice: str) -> Drawing:
    """The choices that need less memory: pictures are drawn one at a time already, so parts are moved off the GPU.

    Raises:
        EngineError: there is nothing left to save; `what` does not fit, and `advice` may help.
    """
    if drawing.low_vram or device.startswith("cpu"):
        raise too_large(what, "this machine's memory" if device.startswith("cpu") else MOVED_OFF, advice)
    return replace(drawing, low_vram=True)


def too_large(what: str, where: str, advice: str) -> EngineError:
    return EngineError(f"{what} does not fit into {where}: {advice}, end other programs, then retry")
