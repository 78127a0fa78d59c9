"""Identities as bytes: one safetensors file each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from inkcast.cast.character import Identity
from inkcast.errors import CastError
from inkcast.files import shown
from inkcast.images import Reference

_CHECKSUM = "sha256"


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
    facts = {"engine": identity.engine, "weights_digest": identity.weights_digest}
    return save(tensors, metadata={**facts, _CHECKSUM: _checksum(save(tensors))})


def check_packed(data: bytes, engine: str) -> None:
    """Raises CastError unless the bytes are a whole safetensors file; makes no tensor of it."""
    from safetensors import SafetensorError, deserialize

    try:
        deserialize(data)
        known = _metadata(data).get(_CHECKSUM)
    except (SafetensorError, ValueError) as error:
        raise CastError(f"the identity for engine {shown(engine)} is damaged ({error}); make it again") from error
    if known is not None and known != _checksum(data):
        raise CastError(f"the identity for engine {shown(engine)} is damaged (its values were changed); make it again")


def unpack(data: bytes, engine: str, weights_digest: str) -> Identity:
    """The identity whose tensors `pack` wrote; raises CastError if it is no safetensors file, or was changed."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    check_packed(data, engine)
    try:
        # Copies: what lies unaligned in a file's bytes gives products that differ in their last bits.
        return Identity(engine, weights_digest, {name: tensor.clone() for name, tensor in load(data).items()})
    except (SafetensorError, ValueError, KeyError) as error:
        raise CastError(f"the identity for engine {shown(engine)} is damaged ({error}); make it again") from error


def _metadata(data: bytes) -> dict[str, str]:
    """Of a file that safetensors has read: eight bytes of length, then JSON."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header.get("__metadata__") or {})


def _checksum(data: bytes) -> str:
    """Of the tensors' names, types, shapes and values: all but the file's metadata."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    whole = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    whole.update(memoryview(data)[8 + size :])
    return whole.hexdigest()
