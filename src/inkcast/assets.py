"""Where embedded weights lie, and the guidance they draw best with."""

from __future__ import annotations

from pathlib import Path

from inkcast.errors import BaseModelError

TOON_GUIDANCE = 7.0  # kinds come out best, looks alike from 3 to 7


def toon_weights() -> Path:
    """The folder of the embedded toon weights: base/ (a diffusers folder), image_encoder/, engines/<name>/ and others.

    Raises:
        BaseModelError: this installation came without them.
    """
    folder = Path(__file__).parent / "toon" / "weights"
    if not (folder / "base" / "model_index.json").is_file():
        raise BaseModelError(
            f"the embedded base is missing from {folder}: install the inkcast wheel, or name another base with --base"
        )
    return folder
