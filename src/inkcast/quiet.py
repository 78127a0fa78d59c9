"""Keep the libraries' own bars and advice off the screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def import_pipelines() -> Any:
    """diffusers with its SDXL pipelines imported; importing them makes transformers advise installing torchvision."""
    import diffusers
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        _ = diffusers.StableDiffusionXLPipeline, diffusers.StableDiffusionPipeline
    finally:
        logging.set_verbosity(before)
    return diffusers


@contextmanager
def no_bars() -> Iterator[None]:
    """No progress bars of diffusers and transformers inside the block."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    libraries = [library for library in (of_diffusers, of_transformers) if library.is_progress_bar_enabled()]
    for library in libraries:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()


@contextmanager
def no_advice() -> Iterator[None]:
    """No warnings of diffusers and transformers inside the block, such as of each part that a LoRA leaves alone."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    before = [(library, library.get_verbosity()) for library in (of_diffusers, of_transformers)]
    for library, _ in before:
        library.set_verbosity_error()
    try:
        yield
    finally:
        for library, level in before:
            library.set_verbosity(level)
