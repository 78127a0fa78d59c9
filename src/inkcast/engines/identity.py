"""Identities on disk: safetensors with the engine's name and the digest of the weights that made them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from inkcast.cast.character import Identity
from inkcast.errors import EngineError, WeightsError
from inkcast.files import reporting, shown, write_bytes

Shape = tuple[int, ...]
AGAIN = "take the character out of the library and add it again, or import it anew"

_ENGINE, _DIGEST = "inkcast_engine", "inkcast_weights"


def identity_bytes(identity: Identity) -> bytes:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in identity.tensors.items()}
    return save(tensors, metadata={_ENGINE: identity.engine, _DIGEST: identity.weights_digest})


def save_identity(identity: Identity, path: Path) -> None:
    """Written whole or not at all."""
    write_bytes(path, identity_bytes(identity))


def load_identity(path: Path) -> Identity:
    """Raises `WeightsError` if the file is missing, damaged, or not an identity."""
    if not path.is_file():
        raise WeightsError(f"no identity at {shown(path)}: encode the character again")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        with reporting(path):
            tensors = load(path.read_bytes())
        return Identity(metadata[_ENGINE], metadata[_DIGEST], tensors)
    except (SafetensorError, KeyError) as error:
        raise WeightsError(f"{shown(path)} is not an identity: encode the character again") from error


def check_identity(
    identity: Identity,
    engine: str,
    weights_digest: str,
    who: str,
    needed: Mapping[str, Shape],
    remedy: str = AGAIN,
) -> None:
    """Raises `EngineError` if another engine or other weights made the identity, or a tensor that is needed is missing
    or of another shape; `remedy` then says what to do."""
    if identity.engine != engine:
        raise EngineError(
            f"the identity of {who} was made by {identity.engine}, not {engine}: encode the character again"
        )
    if identity.weights_digest != weights_digest:
        made, now = identity.weights_digest[:12], weights_digest[:12]
        raise EngineError(f"the identity of {who} was made by weights {made}, not {now}: encode the character again")
    for name, shape in needed.items():
        found = identity.tensors.get(name)
        if found is None:
            raise EngineError(f"the identity of {who} lacks {shown(name)}: {remedy}")
        if found.shape != shape:
            is_, wanted = list(found.shape), list(shape)
            raise EngineError(f"the identity of {who} has {shown(name)} of {is_}, not {wanted}: {remedy}")
