"""inkcast convert: published weights become safetensors that engines load; what does not fit is refused in a line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.engines.story_maker.small import RANK, SIZE
from typer.testing import CliRunner

from inkcast.assets import toon_weights
from inkcast.cli import app
from inkcast.cli.convert import engine_of
from inkcast.engines.checkpoints import read_checkpoint, weights_digest
from inkcast.engines.ip_adapter.weights import Adapter as PlusAdapter
from inkcast.engines.ip_adapter.weights import load_adapter as load_plus
from inkcast.engines.ip_adapter.weights import save_adapter as save_plus
from inkcast.engines.story_maker.eyes import Preparation
from inkcast.engines.story_maker.weights import PUBLISHED, Facts, fresh_adapter, load_adapter, save_adapter
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.resampler import ResamplerSize


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["convert", *map(str, arguments)])
    return result.exit_code, result.stdout + result.stderr


def test_mask_bin_becomes_an_adapter_that_runs_as_published(
    backbone: Backbone, tiny_base_folder: Path, tmp_path: Path
) -> None:
    size = replace(SIZE, character=replace(SIZE.character, heads=2, head_dim=64), face_head_dim=64)
    adapter = fresh_adapter(backbone.unet, size, RANK)
    parts = {name: dict(part.state_dict()) for name, part in adapter.named_children()}
    torch.save(parts, tmp_path / "mask.bin")
    code, text = run(tmp_path / "mask.bin", "--to", tmp_path / "models", "--base", tiny_base_folder)
    assert code == 0, text
    written = tmp_path / "models" / "engines" / "story-maker" / "adapter.safetensors"
    assert text.strip() == str(written)
    again, facts = load_adapter(backbone.unet, written)
    assert facts == PUBLISHED
    assert weights_digest(again) == weights_digest(adapter)
    code, text = run(tmp_path / "mask.bin", "--to", tmp_path / "models", "--base", tiny_base_folder)
    assert (code, "is there already: give --overwrite" in text) == (1, True)
    assert run(tmp_path / "mask.bin", "--to", tmp_path / "models", "--base", tiny_base_folder, "--overwrite")[0] == 0


def test_an_ip_adapter_is_converted(backbone: Backbone, tiny_base_folder: Path, tmp_path: Path) -> None:
    plus = PlusAdapter(backbone.unet, ResamplerSize(32, 64, 32, depth=1, heads=2, queries=3))
    torch.save({name: dict(part.state_dict()) for name, part in plus.named_children()}, tmp_path / "plus.bin")
    assert run(tmp_path / "plus.bin", "--to", tmp_path, "--base", tiny_base_folder)[0] == 0
    again = load_plus(backbone, tmp_path / "engines" / "ip-adapter" / "adapter.safetensors")
    assert weights_digest(again) == weights_digest(plus)


def test_weights_trained_here_become_a_public_file_that_reads_back(
    backbone: Backbone, tiny_base_folder: Path, tmp_path: Path
) -> None:
    size = replace(SIZE, character=replace(SIZE.character, heads=2, head_dim=64), face_head_dim=64)
    adapter, facts = fresh_adapter(backbone.unet, size, RANK), Facts(preparation=Preparation("square", 0.7))
    with torch.no_grad():
        for tensor in adapter.parameters():
            tensor.copy_(torch.randn_like(tensor).half())
    save_adapter(adapter, facts, tmp_path / "ours.safetensors")
    code, text = run(tmp_path / "ours.safetensors", "--to", tmp_path / "mask.bin", "--base", tiny_base_folder)
    assert (code, "note: made for pictures cut" in text) == (0, True), text
    parts = torch.load(tmp_path / "mask.bin", weights_only=True)
    for part, tensors in parts.items():  # as published: two dictionaries of plain tensors
        own = adapter.get_submodule(part).state_dict()
        assert own.keys() == tensors.keys()
        assert all(torch.equal(own[name].half(), tensors[name]) for name in own)
    assert parts.keys() == {"image_proj_model", "ip_adapter"}
    again, as_published = load_adapter(backbone.unet, tmp_path / "mask.bin")
    assert (weights_digest(again), as_published) == (weights_digest(adapter), PUBLISHED)

    code, text = run(tmp_path / "ours.safetensors", "--to", tmp_path / "mask.bin", "--base", tiny_base_folder)
    assert (code, "is there already" in text) == (1, True)
    save_adapter(adapter, replace(facts, head_dim=128), tmp_path / "wide.safetensors")
    code, text = run(tmp_path / "wide.safetensors", "--to", tmp_path / "wide.bin", "--base", tiny_base_folder)
    assert (code, "heads of 128 and 64 channels, which a mask.bin cannot tell" in text) == (1, True)
    assert not (tmp_path / "wide.bin").exists()


def test_an_ip_adapter_trained_here_becomes_a_public_file(
    backbone: Backbone, tiny_base_folder: Path, tmp_path: Path
) -> None:
    for head_dim, wanted in ((64, 0), (32, 1)):
        plus = PlusAdapter(backbone.unet, ResamplerSize(32, 64, 32, depth=1, heads=2, head_dim=head_dim, queries=3))
        save_plus(plus, tmp_path / f"{head_dim}.safetensors")
        code, text = run(
            tmp_path / f"{head_dim}.safetensors", "--to", tmp_path / f"{head_dim}.bin", "--base", tiny_base_folder
        )
        assert code == wanted, text
    assert torch.load(tmp_path / "64.bin", weights_only=True).keys() == {"image_proj", "ip_adapter"}
    load_plus(backbone, tmp_path / "64.bin")
    assert not (tmp_path / "32.bin").exists()


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"image_proj_model": {"pos_embed": torch.zeros(3, 5, 64)}}, "lacks image_proj_model."),
        ({"image_proj": {"proj.weight": torch.zeros(2)}}, "is an IP-Adapter that no engine here runs"),
        ({"image_proj": {"proj.0.weight": torch.zeros(2)}}, "is an IP-Adapter that no engine here runs"),
        ({"weight": torch.zeros(2)}, "is of no known layout (it holds weight)"),
    ],
)
def test_other_files_are_refused(tiny_base_folder: Path, tmp_path: Path, tensors: object, complaint: str) -> None:
    torch.save(tensors, tmp_path / "file.bin")
    code, text = run(tmp_path / "file.bin", "--to", tmp_path / "out", "--base", tiny_base_folder)
    assert code == 1
    assert complaint in " ".join(text.split())
    assert not (tmp_path / "out").exists()


def test_a_target_of_another_kind_is_refused_and_toon_is_a_base_here_too(
    backbone: Backbone, tiny_base_folder: Path, tmp_path: Path
) -> None:
    adapter = fresh_adapter(backbone.unet, SIZE, RANK)
    save_adapter(adapter, Facts(), tmp_path / "ours.safetensors")
    code, text = run(tmp_path / "ours.safetensors", "--to", tmp_path / "x.safetensors", "--base", tiny_base_folder)
    assert (code, "is neither a folder nor a .bin" in " ".join(text.split())) == (2, True)
    assert not (tmp_path / "x.safetensors").exists()
    shipped = toon_weights() / "engines" / "story-maker" / "adapter.safetensors"
    assert run(shipped, "--to", tmp_path / "toon", "--base", "toon")[0] == 0
    copied = tmp_path / "toon" / "engines" / "story-maker" / "adapter.safetensors"
    assert engine_of(read_checkpoint(copied)) == "story-maker"


def test_a_malicious_file_is_refused(tiny_base_folder: Path, tmp_path: Path) -> None:
    torch.save({"image_proj_model": Trap(tmp_path / "ran"), "ip_adapter": {}}, tmp_path / "trap.bin")
    code, text = run(tmp_path / "trap.bin", "--to", tmp_path / "out", "--base", tiny_base_folder)
    assert (code, "not plain tensors" in " ".join(text.split())) == (1, True)
    assert not (tmp_path / "ran").exists()
    assert run(tmp_path / "absent.bin", "--to", tmp_path)[0] == 1
