from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inkcast.cast.character import Identity
from inkcast.engines.checkpoints import weights_digest
from inkcast.engines.identity import load_identity, save_identity
from inkcast.errors import WeightsError


def test_identities_round_trip_with_their_digest(tmp_path: Path) -> None:
    identity = Identity("ip-adapter", "ab" * 32, {"tokens": torch.randn(1, 4, 8), "count": torch.tensor(3)})
    save_identity(identity, tmp_path / "ann.safetensors")
    again = load_identity(tmp_path / "ann.safetensors")
    assert (again.engine, again.weights_digest) == (identity.engine, identity.weights_digest)
    assert again.tensors.keys() == identity.tensors.keys()
    assert all(torch.equal(again.tensors[name], identity.tensors[name]) for name in identity.tensors)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no identity at"):
        load_identity(tmp_path / "absent.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 9)
    save_file({"tokens": torch.zeros(1)}, tmp_path / "plain.safetensors")
    for name in ("broken", "plain"):
        with pytest.raises(WeightsError, match="is not an identity: encode the character again"):
            load_identity(tmp_path / f"{name}.safetensors")


def test_the_digest_is_of_names_and_values() -> None:
    module = torch.nn.Linear(3, 2)
    before = weights_digest(module)
    assert weights_digest(module.half()) == before
    with torch.no_grad():
        module.weight[0, 0] += 1
    assert weights_digest(module) != before
    assert len(before) == 64
