"""Weights as int8, packed: what was written comes back, in less room; damage is told."""

from __future__ import annotations

import contextlib
import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from inkcast.engines.checkpoints import LEVELS, read_checkpoint, save_tensors
from inkcast.errors import WeightsError


def tensors() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {
        "a.weight": torch.randn(40, 100),
        "b.weight": torch.randn(8, 5, 3, 3) * 1e-3,
        "b.bias": torch.randn(8),
        "zero.weight": torch.zeros(2, 4),
        "steps": torch.arange(3),
    }


def by_hand(tensor: Tensor) -> Tensor:
    """Every output channel to the nearest of 2 * LEVELS + 1 even steps between minus and plus its greatest weight."""
    rows = []
    for row in tensor.double().flatten(1).numpy():
        step = max(abs(row).max() / LEVELS, 1e-12)
        rows.append([round(weight / step) * step for weight in row])
    return torch.tensor(rows).view(tensor.shape)


def test_packed_weights_are_the_rounded_ones(tmp_path: Path) -> None:
    save_tensors(tensors(), tmp_path / "net.safetensors", {"size": "9"}, int8=True)
    read = read_checkpoint(tmp_path / "net.safetensors")
    assert read.metadata["size"] == "9"
    assert set(read.tensors) == set(tensors())
    for name, tensor in tensors().items():
        wanted = by_hand(tensor) if tensor.ndim > 1 else tensor.half() if tensor.is_floating_point() else tensor
        torch.testing.assert_close(read.tensors[name].double(), wanted.double(), rtol=1e-5, atol=0)


def test_packing_takes_less_room_than_a_byte_a_weight(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_tensors({"weight": torch.randn(256, 512)}, path, int8=True)
    assert path.stat().st_size < 0.8 * 256 * 512


def test_int8_files_that_are_not_packed_are_read(tmp_path: Path) -> None:
    plain = {"weight": torch.tensor([[3, -4]], dtype=torch.int8), "weight.int8_scale": torch.tensor([0.5])}
    save_file(plain, tmp_path / "net.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "net.safetensors").tensors["weight"], torch.tensor([[1.5, -2.0]]))


@pytest.mark.parametrize("error", [IndexError, KeyError, AssertionError, struct.error, TypeError, EOFError])
def test_whatever_torch_meets_in_a_damaged_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error("damage")

    monkeypatch.setattr(torch, "load", load)
    (tmp_path / "net.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"cannot read weights from .*net\.bin.* damaged or not plain tensors"):
        read_checkpoint(tmp_path / "net.bin")


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_pickles_are_refused_and_never_crash(tmp_path: Path, zipped: bool) -> None:
    whole = io.BytesIO()
    torch.save({"a": {"w": torch.zeros(2, 3)}}, whole, _use_new_zipfile_serialization=zipped)
    chance = random.Random(0)
    for _ in range(200):
        data = bytearray(whole.getvalue())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "net.pt").write_bytes(data)
        with contextlib.suppress(WeightsError):
            read_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize(
    "odd",
    [
        torch.eye(2).to_sparse(),
        torch.empty(3, device="meta"),
        torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8),
    ],
)
def test_tensors_that_are_not_plain_are_refused(tmp_path: Path, odd: Tensor) -> None:
    torch.save({"a": {"w": odd}}, tmp_path / "net.bin")
    with pytest.raises(WeightsError, match="not plain tensors"):
        read_checkpoint(tmp_path / "net.bin")


@pytest.mark.parametrize("damage", ["cut", "garbage", "longer", "unnamed"])
def test_a_damaged_stream_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "net.safetensors"
    save_tensors(tensors(), path, int8=True)
    with safe_open(path, framework="pt") as file:
        facts = dict(file.metadata())
    read = load_file(path)
    stream = read["int8_stream"]
    if damage == "cut":
        read["int8_stream"] = stream[: len(stream) // 2].clone()
    elif damage == "garbage":
        read["int8_stream"] = torch.from_numpy(np.random.default_rng(0).integers(0, 256, 50, np.uint8))
    elif damage == "longer":
        facts["inkcast_int8_shapes"] = '{"a.weight": [40, 99]}'
    else:
        del facts["inkcast_int8_shapes"]
    save_file(read, path, metadata=facts)
    with pytest.raises(WeightsError, match="damaged or not plain tensors"):
        read_checkpoint(path)
