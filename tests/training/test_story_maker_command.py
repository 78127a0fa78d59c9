"""StoryMaker's SDXL recipe, dry, by the command line: at tiny width, faces read by an insightface pack."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from tests import tiny
from tests.training.command import command_line, flags
from tests.vision.onnx_graphs import face_encoder

from inkcast.engines.story_maker.eyes import Preparation
from inkcast.engines.story_maker.weights import fresh_adapter, load_adapter
from inkcast.sdxl.backbone import load_backbone
from inkcast.training.story_maker import Sizes
from inkcast.vision.alignment import TEMPLATE, TEMPLATE_SIDE, align_face
from inkcast.vision.crops import to_tensor
from inkcast.vision.face import ArcFace
from inkcast.vision.onnx_net import OnnxNet


class Pack:
    """insightface's `FaceAnalysis`, with a face in each of 4 x 4 squares of any picture."""

    def __init__(self, name: str, allowed_modules: list[str]) -> None:
        file = Path(name) / "w600k_r50.onnx"
        self.models = {"recognition": SimpleNamespace(model_file=str(file), input_mean=127.5, input_std=127.5)}
        assert allowed_modules == ["detection", "recognition"]

    def prepare(self, ctx_id: int, det_size: tuple[int, int]) -> None:
        self.net = OnnxNet(Path(self.models["recognition"].model_file))

    def get(self, picture: np.ndarray) -> list[SimpleNamespace]:
        cell = np.array([picture.shape[1], picture.shape[0]]) / 4
        corners = [cell * (x, y) for y in range(4) for x in range(4)]
        points = [corner + TEMPLATE / TEMPLATE_SIDE * cell for corner in corners]
        upright = np.stack([align_face(picture[..., ::-1].copy(), each, ArcFace.side, 1.0) for each in points])
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(self.net(to_tensor(upright) * 2 - 1), dim=-1).numpy()
        return [
            SimpleNamespace(bbox=np.concatenate([at, at + cell]), kps=kps, det_score=0.9, normed_embedding=v)
            for at, kps, v in zip(corners, points, vectors, strict=True)
        ]


def test_the_full_size_recipe_on_the_command_line_with_an_insightface_pack(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards of faces that the pack reads, published adapters to begin with, the identity loss through its .onnx."""
    module = ModuleType("insightface.app")
    module.FaceAnalysis = Pack  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "insightface", ModuleType("insightface"))
    monkeypatch.setitem(sys.modules, "insightface.app", module)
    pack, data, run = tmp_path / "pack", tmp_path / "shards", tmp_path / "run"
    pack.mkdir()
    face_encoder(pack / "w600k_r50.onnx", ArcFace.side, 512)
    command_line("data", "toon", "--out", data, "--kind", "people", "--count", 4, "--size", 64, "--faces", pack)
    base = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    tiny.controlnet(base.unet).save_pretrained(tmp_path / "poses")

    sizes = {"channels": 16, "depth": 1, "heads": 2, "head_dim": 8, "queries": 3, "widening": 2, "id_hidden": 8}
    sizes |= {"face_tokens": 2, "face_depth": 1, "face_head_dim": 16, "face_widening": 2}
    torch.manual_seed(5)
    published = fresh_adapter(base.unet, Sizes.model_validate(sizes).perceiver(32, 64, 512, 3), 2)
    with torch.no_grad():
        for parameter in published.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    parts = dict(published.image_proj_model.state_dict())
    own = ("pos_embed", "bg_embed", "proj_out.", "norm_out.", "resample.")
    faceid = {name: tensor for name, tensor in parts.items() if not name.startswith(own)}
    plus = {name.removeprefix("resample."): tensor for name, tensor in parts.items() if name.startswith("resample.")}
    torch.save({"image_proj": faceid, "ip_adapter": dict(published.ip_adapter.state_dict())}, tmp_path / "faceid.bin")
    torch.save({"image_proj": plus, "ip_adapter": {}}, tmp_path / "plus.bin")

    recipe = Path(__file__).parents[2] / "recipes" / "story-maker-sdxl.toml"
    places = {"base": tiny_base_folder, "image_encoder": tiny_base_folder / "image_encoder", "data": data, "face": pack}
    places |= {"controlnet": tmp_path / "poses", "init_faceid": tmp_path / "faceid.bin"}
    places |= {"init_plus": tmp_path / "plus.bin"}
    changes = [f"out={run}", "device=cpu", "precision=no", "batch=2", "log_every=1", "loader.workers=0"]
    changes += [f"parameters.{name}={place}" for name, place in places.items()]
    changes += [f"parameters.sizes.{name}={value}" for name, value in sizes.items()]
    changes += ["parameters.rank=2", "parameters.id_steps=999", "parameters.show_steps=1", "sample_every=2"]
    command_line("train", recipe, *flags(*changes, "steps=2"))
    command_line("train", recipe, *flags(*changes, "steps=3"), "--resume")

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(np.isfinite(line["loss"]) and line["attention"] > 0 for line in lines)
    assert any(line["identity"] > 0 for line in lines)
    assert (run / "samples" / "step-00000002.png").is_file()
    adapter, facts = load_adapter(base.unet, run / "export" / "adapter.safetensors")
    assert adapter.image_proj_model.size.id_channels == 512
    assert facts.preparation == Preparation("square", 1.0)
    begun = {f"image_proj_model.{name}" for name in [*faceid, *(n for n in parts if n.startswith("resample."))]}
    trained, given = dict(adapter.named_parameters()), dict(published.named_parameters())
    for name in (name for name in trained if name in begun or name.startswith("ip_adapter.")):
        assert float((trained[name] - given[name]).detach().abs().max()) < 2e-3, name  # three steps of 1e-4, in fp16
