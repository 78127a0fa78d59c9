"""Weights in and out, for every engine: public layouts read strictly, our own saved as safetensors, with a digest."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from inkcast.errors import WeightsError
from inkcast.files import replacing_file, shown

_SCALE, _STREAM, _SHAPES = ".int8_scale", "int8_stream", "inkcast_int8_shapes"
LEVELS = 31
"""Steps on either side of zero in what is stored as int8: a quarter less to pack than 127, and no picture the worse."""


@dataclass(frozen=True)
class Checkpoint:
    """A weights file in memory. Tensor names are dotted, nested dictionaries flattened."""

    source: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """A .safetensors file, or a foreign .bin / .pt read without running its code; int8 tensors come back dequantised.

    Raises:
        WeightsError: missing, damaged, or more than tensors in nested dictionaries.
    """
    if not path.is_file():
        raise WeightsError(f"no weights at {shown(path)}: train the engine, or give a file with weights")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                names = file.keys()
                tensors, metadata = {name: file.get_tensor(name) for name in names}, file.metadata() or {}
            tensors = _unpacked(tensors, metadata)
        else:
            tensors, metadata = _flat(_unpickled(path)), {}
    except (SafetensorError, OSError, RuntimeError, ValueError, zlib.error) as error:
        raise WeightsError(
            f"cannot read weights from {shown(path)}: the file is damaged or not plain tensors"
        ) from error
    return Checkpoint(str(path), _dequantised(tensors), metadata)


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():  # torch's are of damage, or of its own insides
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes give errors of every class
        raise ValueError("torch cannot read it") from error


def _flat(tree: Any, prefix: str = "") -> dict[str, Tensor]:
    if isinstance(tree, Tensor):
        if tree.layout is not torch.strided or tree.is_meta or tree.is_quantized:
            raise ValueError(f"{prefix or 'the file'} is sparse, quantised or without values")
        return {prefix: tree}
    if not isinstance(tree, Mapping):
        raise ValueError(f"{prefix or 'the file'} holds a {type(tree).__name__}")
    flat: dict[str, Tensor] = {}
    for name, branch in tree.items():
        flat |= _flat(branch, f"{prefix}.{name}" if prefix else str(name))
    return flat


def load_strict(module: nn.Module, checkpoint: Checkpoint) -> None:
    """Every parameter from the file and nothing left over; dtypes stay the module's. Raises as `check_strict`."""
    check_strict(module.state_dict(), checkpoint)
    module.load_state_dict(checkpoint.tensors)


def check_strict(wanted: Mapping[str, Tensor], checkpoint: Checkpoint) -> None:
    """That the file holds what is wanted, in its shapes, and nothing else.

    Raises:
        WeightsError: naming the first missing and the first unexpected tensor, or the first of another shape.
    """
    missing = next((name for name in wanted if name not in checkpoint.tensors), None)
    unexpected = next((name for name in checkpoint.tensors if name not in wanted), None)
    if missing or unexpected:
        faults = [f"lacks {missing}"] * bool(missing) + [f"has an unexpected {unexpected}"] * bool(unexpected)
        raise WeightsError(
            f"{shown(checkpoint.source)} {' and '.join(faults)}: use weights made for this engine and base"
        )
    for name, tensor in checkpoint.tensors.items():
        if tensor.shape != wanted[name].shape:
            raise WeightsError(
                f"{name} in {shown(checkpoint.source)} is {list(tensor.shape)} but the engine needs "
                f"{list(wanted[name].shape)}: use weights made for this engine and base"
            )


@dataclass(frozen=True)
class Shapes:
    """The sizes of a layout, read off a checkpoint's tensors whose names start with `prefix`."""

    checkpoint: Checkpoint
    prefix: str = ""

    def of(self, name: str, dims: int) -> tuple[int, ...]:
        """Raises `KeyError` if there is no such tensor, `WeightsError` if it is empty or not of so many dimensions."""
        shape = tuple(self.checkpoint.tensors[self.prefix + name].shape)
        if len(shape) != dims or 0 in shape:
            raise WeightsError(
                f"{self.prefix}{name} in {shown(self.checkpoint.source)} is {list(shape)} but the engine needs {dims} "
                "dimensions above 0: use weights made for this engine and base"
            )
        return shape

    def depth(self, prefix: str) -> int:
        """How many layers are named after `prefix`."""
        whole = self.prefix + prefix
        names = (name for name in self.checkpoint.tensors if name.startswith(whole))
        return len({name[len(whole) :].partition(".")[0] for name in names})


def save_weights(
    module: nn.Module, path: Path, metadata: Mapping[str, str] | None = None, *, int8: bool = False
) -> None:
    """Safetensors in float16, matrices as packed int8 per output channel if asked for; written whole or not at all."""
    save_tensors(module.state_dict(), path, metadata, int8=int8)


def save_tensors(
    named: Mapping[str, Tensor],
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    int8: bool = False,
    levels: int = LEVELS,
) -> None:
    """`save_weights` of tensors without a module, in so many steps on either side of zero."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in named.items()}
    halves = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    written, facts = _packed(_quantised(tensors, halves, levels)) if int8 else (halves, {})
    with replacing_file(path) as temporary:
        save_file(written, temporary, metadata={"format": "pt", **facts, **(metadata or {})})


def save_published(checkpoint: Checkpoint, path: Path) -> None:
    """A public file: a pickle of a dictionary of float16 tensors for each part; how to run them it cannot tell."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in checkpoint.tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor.half() if tensor.is_floating_point() else tensor
    with replacing_file(path) as temporary:
        torch.save(parts, temporary)


def _packed(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All int8 tensors as one Huffman-coded (RFC 1950) stream, and the metadata that says which they are."""
    whole = {name: tensor for name, tensor in tensors.items() if tensor.dtype != torch.int8}
    coded = {name: tensor for name, tensor in tensors.items() if tensor.dtype == torch.int8}
    coder = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    parts = [coder.compress(tensor.numpy().tobytes()) for tensor in coded.values()]
    stream = np.frombuffer(b"".join([*parts, coder.flush()]), np.uint8)
    shapes = json.dumps({name: list(tensor.shape) for name, tensor in coded.items()})
    return {**whole, _STREAM: torch.from_numpy(stream.copy())}, {_SHAPES: shapes}


def _unpacked(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    """What `_packed` was given; tensors that are not packed are left as they are. Raises `ValueError` if damaged."""
    if _STREAM not in tensors:
        return dict(tensors)
    shapes = json.loads(metadata.get(_SHAPES, "{}"))
    sizes = [math.prod(shape) for shape in shapes.values()]
    coder = zlib.decompressobj()
    stream = coder.decompress(tensors[_STREAM].numpy().tobytes(), sum(sizes) + 1)
    if len(stream) != sum(sizes):
        raise ValueError(f"{sum(sizes)} packed weights are announced, {len(stream)} are there")
    values = torch.from_numpy(np.frombuffer(stream, np.int8).copy()).split(sizes)
    coded = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), values, strict=True)}
    return {**{name: tensor for name, tensor in tensors.items() if name != _STREAM}, **coded}


def _quantised(tensors: Mapping[str, Tensor], otherwise: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2 or not tensor.is_floating_point():
            packed[name] = otherwise[name]
            continue
        scale = (tensor.float().flatten(1).abs().amax(dim=1) / levels).clamp_min(1e-12)
        shape = [-1] + [1] * (tensor.ndim - 1)
        packed[name] = (tensor.float() / scale.view(shape)).round().to(torch.int8)
        packed[name + _SCALE] = scale
    return packed


def _dequantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(_SCALE):
            continue
        scale = tensors.get(name + _SCALE)
        plain[name] = tensor if scale is None else tensor.float() * scale.view([-1] + [1] * (tensor.ndim - 1))
    return plain


def weights_digest(*modules: nn.Module, files: Iterable[Path] = ()) -> str:
    """SHA-256 over names, shapes and values (as float16, so that saving changes nothing) of all tensors, and over names
    and bytes of files that others read."""
    total = hashlib.sha256()
    for module in modules:
        _digest_into(total, module.state_dict())
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}:".encode())
    return total.hexdigest()


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """`weights_digest` of tensors without a module."""
    total = hashlib.sha256()
    _digest_into(total, tensors)
    return total.hexdigest()


def _digest_into(total: hashlib._Hash, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu()
        plain = plain.half() if plain.is_floating_point() else plain
        total.update(f"{name}:{plain.dtype}:{tuple(plain.shape)}:".encode())
        total.update(plain.contiguous().view(-1).view(torch.uint8).numpy().data)
