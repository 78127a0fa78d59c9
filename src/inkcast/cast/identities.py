"""Identities as bytes: one safetensors file each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from inkcast.cast.character import Identity
from inkcast.errors import CastError
from inkcast.files import shown
from inkcast.images import Reference


def references_digest(references: Iterable[Reference]) -> str:
    """A fingerprint of what an engine sees of a character: its pictures, masks, views and states, in order."""
    whole = hashlib.sha256()
    for reference in references:
        mask = b"" if reference.mask is None else hashlib.sha256(reference.mask.tobytes()).digest()
        for part in (reference.digest.encode(), mask, reference.view.encode(), reference.state.encode()):
            whole.update(len(part).to_bytes(4, "big") + part)
    return whole.hexdigest()


def pack(identity: Identity) -> bytes:
    """The tensors of an identity as a safetensors file; they return bit for bit, on the CPU."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in identity.tensors.items()}
    return save(tensors, metadata={"engine": identity.engine, "weights_digest": identity.weights_digest})


def check_packed(data: bytes, engine: str) -> None:
    """Raises CastError unless the bytes are a safetensors file; makes no tensor of it."""
    from safetensors import SafetensorError, deserialize

    try:
        deserialize(data)
    except (SafetensorError, ValueError) as error:
        raise CastError(f"the identity for engine {shown(engine)} is damaged ({error}); make it again") from error


def unpack(data: bytes, engine: str, weights_digest: str) -> Identity:
    """The identity whose tensors `pack` wrote; raises CastError if the bytes are no safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return Identity(engine, weights_digest, load(data))
    except (SafetensorError, ValueError, KeyError) as error:
        raise CastError(f"the identity for engine {shown(engine)} is damaged ({error}); make it again") from error
