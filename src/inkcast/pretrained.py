"""Public models in the libraries' own folders, loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from inkcast.errors import BaseModelError
from inkcast.files import shown
from inkcast.quiet import no_advice, no_bars

DAMAGED = (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, SafetensorError)
"""What the libraries raise over files that are missing, damaged or of another kind."""


def load_pretrained(kind: Any, source: str | Path, what: str, *, needless: tuple[str, ...] = (), **options: Any) -> Any:
    """A transformers or diffusers model with all of its weights from `source`, a folder or a hub id, in evaluation.

    Files may hold more, such as a classifier's head or CLIP's text tower; weights whose names start with one of
    `needless` may be missing, since nobody reads what they make. `options` go to `from_pretrained`.

    Raises:
        BaseModelError: unreadable; a weight is missing (named, with the first unexpected one) or of another shape.
    """
    if isinstance(source, Path) and not source.is_dir():
        raise BaseModelError(f"there is no {what} at {shown(source)}: put its folder there")
    # Else transformers tells of other shapes in a table on the screen, and not in its error.
    told = {"ignore_mismatched_sizes": True} if str(kind.__module__).startswith("transformers") else {}
    options |= variant_of(source)
    with no_bars(), no_advice():
        model, report = load_part(
            what, source, lambda: kind.from_pretrained(source, output_loading_info=True, **told, **options)
        )
    if misshapen := sorted(report["mismatched_keys"]):
        name, there, wanted = misshapen[0]
        raise BaseModelError(
            f"{name} in the {what} {shown(source)} is {list(there)} but its config needs {list(wanted)}: "
            "its files do not belong together"
        )
    if missing := sorted(name for name in report["missing_keys"] if not name.startswith(needless)):
        odd = sorted(report["unexpected_keys"])
        instead = f" and has an unexpected {odd[0]}" if odd else ""
        raise BaseModelError(
            f"the {what} {shown(source)} lacks {missing[0]}{instead}: its files are damaged or of another model"
        )
    return model


def variant_of(source: str | Path) -> dict[str, str]:
    """`variant` for a folder whose weights come in half precision only, named *.fp16.safetensors."""
    names = [path.name for path in Path(source).glob("*.safetensors")]
    return {"variant": "fp16"} if names and all(".fp16" in name for name in names) else {}


def load_part(what: str, source: str | Path, load: Callable[[], Any]) -> Any:
    """What `load` gives, such as a tokenizer; raises `BaseModelError` with the library's reason on one line."""
    try:
        return load()
    except DAMAGED as error:
        raise BaseModelError(f"cannot load the {what} {shown(source)}: {reason(error)}") from error


def unfilled(module: nn.Module) -> str | None:
    """The first weight that a file should have filled and did not."""
    return next((name for name, tensor in module.state_dict().items() if tensor.is_meta), None)


def reason(error: BaseException) -> str:
    """The start of what a library says, on one line."""
    return " ".join(str(error).split())[:200]
