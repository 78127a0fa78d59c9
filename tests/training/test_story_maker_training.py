"""StoryMaker's objective and the pose ControlNet's, from recipes over a tiny untrained base of the drawn world."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tests import tiny
from tests.vision.onnx_graphs import face_encoder
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from inkcast.engines.checkpoints import LEVELS
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.engine import load_engine
from inkcast.engines.story_maker.eyes import Preparation
from inkcast.engines.story_maker.weights import load_adapter
from inkcast.errors import BaseModelError, TrainingError
from inkcast.sampling.controlnet import PACKED
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.backbone import load_backbone
from inkcast.toon.nets import Detector, FaceEncoder, save_net
from inkcast.training import showing
from inkcast.training.checkpoints import existing, initialise
from inkcast.training.data.building import build
from inkcast.training.data.toon import toon_items
from inkcast.training.diffusion import denoised, noised, velocity
from inkcast.training.engine_loss import focused, training_batch
from inkcast.training.objective import build_objective
from inkcast.training.people import LeftOut
from inkcast.training.pose_controlnet import PoseTraining
from inkcast.training.recipe import Recipe, load_recipe
from inkcast.training.schedule import rate
from inkcast.training.story_maker import Parameters, StoryMakerTraining, find_id_loss
from inkcast.training.trainer import train
from inkcast.vision.alignment import TEMPLATE, TEMPLATE_SIDE
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import ArcFace, InsightFaces, ToonFaces
from inkcast.vision.onnx_net import OnnxNet

CPU = torch.device("cpu")


@pytest.fixture
def recipes(toon_unet_recipe: Callable[..., Recipe], toy_recipe: Callable[..., Recipe], tmp_path: Path) -> Any:
    """A recipe by objective over a base that draws 64 px, its cache, and untrained encoders."""
    torch.manual_seed(0)
    base = build_objective(toon_unet_recipe(parameters={"size": 64, "pictures": 24}), CPU)
    with torch.no_grad():
        base.export(tmp_path / "base")
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(tmp_path / "vision")
    save_net(FaceEncoder(), tmp_path / "face")
    save_net(Detector(), tmp_path / "detector")
    shared = {"base": tmp_path / "base", "cache": tmp_path / "cache", "show_steps": 1}
    sizes = {"channels": 16, "depth": 1, "heads": 2, "head_dim": 8, "queries": 3, "widening": 2}
    sizes |= {"id_hidden": 8, "face_tokens": 2, "face_depth": 1, "face_head_dim": 16}
    own = {name: tmp_path / name for name in ("face", "detector")} | {"image_encoder": tmp_path / "vision"}
    tables: dict[str, dict[str, Any]] = {
        "pose-controlnet": shared | {"hint_channels": 8},
        "story-maker": shared | own | {"sizes": sizes, "rank": 2, "id_steps": 999, "most": 2},
    }

    def make(objective: str, **more: Any) -> Recipe:
        table = tables[objective] | more
        return toy_recipe(objective, objective=objective, parameters=table, steps=2, batch=4, ema=0.0)

    return make


def test_a_pose_controlnet_then_story_maker_with_it(recipes: Any, tmp_path: Path) -> None:
    posing = train(recipes("pose-controlnet"))
    net = posing / "export"
    assert (net / "config.json").is_file()
    assert all(name.startswith("parts.controlnet.") for name in load_file(existing(posing)[-1] / "weights.safetensors"))

    run = train(recipes("story-maker", controlnet=net).model_copy(update={"sample_every": 2}))
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(
        np.isfinite(line[name]) and line[name] > 0 for line in lines for name in ("mse", "attention", "identity")
    )
    trained = load_file(existing(run)[-1] / "weights.safetensors")
    assert {name.split(".")[1] for name in trained} == {"image_proj_model", "ip_adapter"}
    assert any(trained[name].any() for name in trained if name.endswith("lora.up.weight"))  # LoRA starts at zero
    base = replace(load_backbone(tmp_path / "base", device="cpu"), folder=tmp_path)
    maker = load_engine(base, weights=run / "export" / "adapter.safetensors", image_encoder=tmp_path / "vision")
    assert maker.eyes.preparation == Preparation("square", 0.7)
    assert maker.eyes.segmenter is not None
    assert any((run / "samples").glob("*.png"))


def test_training_goes_on_from_an_export(recipes: Any, tmp_path: Path) -> None:
    first, second = (build_objective(recipes("story-maker", int8=True), CPU) for _ in range(2))
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.add_(torch.randn_like(parameter))
        first.export(tmp_path / "export")
    initialise(second.module, tmp_path / "export" / "adapter.safetensors")
    given = dict(first.module.named_parameters())
    for name, parameter in second.module.named_parameters():
        assert (
            float((parameter - given[name]).detach().abs().max()) <= float(given[name].detach().abs().max()) / LEVELS
        ), name


@pytest.mark.parametrize("attention", [True, False])
def test_a_controlnet_goes_on_from_its_export(recipes: Any, tmp_path: Path, attention: bool) -> None:
    first, second = (build_objective(recipes("pose-controlnet", attention=attention), CPU) for _ in range(2))
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.add_(torch.randn_like(parameter))
        first.export(tmp_path / "export")
    initialise(second.module, tmp_path / "export" / PACKED)
    given = dict(first.module.named_parameters())
    for name, parameter in second.module.named_parameters():
        assert float((parameter - given[name]).detach().abs().max()) <= float(given[name].detach().abs().max()) / LEVELS


def test_a_small_controlnet_has_the_unet_s_residual_blocks_and_nothing_that_reads_words(recipes: Any) -> None:
    whole, small = (build_objective(recipes("pose-controlnet", attention=way), CPU) for way in (True, False))
    own: dict[str, torch.Tensor] = small.net.state_dict()  # type: ignore[attr-defined]
    of_unet: dict[str, torch.Tensor] = small.base.unet.state_dict()  # type: ignore[attr-defined]
    assert not [name for name in own if "attentions" in name or "add_embedding" in name]
    copied = [name for name in own if not name.startswith("controlnet_")]
    assert any("mid_block.resnets.0" in name for name in copied)
    assert all(torch.equal(own[name], of_unet[name]) for name in copied)
    batch = torch.utils.data.default_collate([small.source[n] for n in range(2)])
    small.module(batch)["loss"].backward()
    assert small.net.controlnet_down_blocks[0].weight.grad.abs().sum() > 0  # type: ignore[attr-defined]
    torch.testing.assert_close(small.module(batch)["loss"], whole.module(batch)["loss"])  # zero convolutions


def test_without_its_background_or_its_lora(recipes: Any) -> None:
    """The ablations: nobody reads the background's tokens, LoRA stays nothing; the rest learns."""
    objective: StoryMakerTraining = build_objective(recipes("story-maker", background=False, lora=False), CPU)  # type: ignore[assignment]
    whole: StoryMakerTraining = build_objective(recipes("story-maker"), CPU)  # type: ignore[assignment]
    batch = torch.utils.data.default_collate([objective.source[n] for n in range(2)])
    objective.module(batch)["loss"].backward()
    adapter = objective.adapter
    untouched = {name for name, p in adapter.named_parameters() if p.grad is None}
    assert untouched == {name for name in untouched if "_lora." in name or name.endswith("bg_embed")}
    assert any("_lora." in name for name in untouched)
    given = training_batch(batch | {"masks": batch["masks"]}, torch.zeros(2, 77, 32))
    tokens = [next(iter(o.module.engine.memory(given).subjects.values())).key.shape[2] for o in (objective, whole)]
    assert tokens[0] == tokens[1] - adapter.image_proj_model.size.tokens
    assert objective.picture().shape == whole.picture().shape


def test_references_may_be_cut_out_of_the_picture_itself(recipes: Any) -> None:
    own, other = (build_objective(recipes("story-maker", own_references=share), CPU).source for share in (1.0, 0.0))
    compared = 0
    for index in range(6):
        mine, usual = own[index], other[index]
        assert torch.equal(mine["latents"], usual["latents"])
        for place in torch.nonzero(mine["present"]).flatten():
            mask = mine["masks"][place]
            if mask.mean() < 0.03:
                continue  # hardly to be seen there
            inside = mine["reference_masks"][place] > 0
            rows, columns = (torch.nonzero(mask.any(dim)).flatten() for dim in (1, 0))
            drawn = (rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)
            box = [torch.nonzero(inside.any(dim)).flatten() for dim in (1, 0)]
            cut = (box[0][-1] - box[0][0] + 1) / (box[1][-1] - box[1][0] + 1)
            assert cut == pytest.approx(float(drawn), rel=0.25), "the silhouette is the picture's"
            assert not torch.equal(mine["references"][place], usual["references"][place])
            compared += 1
    assert compared >= 4


def test_errors_at_subjects_weigh_more(recipes: Any) -> None:
    plain, heavy = (build_objective(recipes("pose-controlnet", focus=f), CPU) for f in (1.0, 3.0))
    batch = torch.utils.data.default_collate([plain.source[n] for n in range(2)])
    where = focused(training_batch(batch, torch.zeros(2, 77, 32)), 3.0)
    assert where is not None
    covered = batch["masks"].amax(1).mean((1, 2))
    torch.testing.assert_close(where.mean((1, 2)), 1 + 2 * covered)
    torch.manual_seed(0)
    losses = [o.module(batch)["loss"] for o in (plain, heavy)]
    assert losses[1] > losses[0]


def test_the_base_stays_as_it_was_and_the_poses_are_read(recipes: Any) -> None:
    objective: PoseTraining = build_objective(recipes("pose-controlnet"), CPU)  # type: ignore[assignment]
    batch = torch.utils.data.default_collate([objective.source[n] for n in range(2)])
    assert bool((batch["pose"].amax((1, 2, 3)) > 0.5).any())
    objective.module(batch)["loss"].backward()
    assert all(p.grad is None for p in objective.base.unet.parameters())
    assert objective.net.controlnet_mid_block.weight.grad.abs().sum() > 0
    with torch.no_grad():
        objective.net.controlnet_mid_block.weight.add_(0.5)  # it starts at zero, where no pose matters
        objective.net.controlnet_cond_embedding.conv_out.weight.add_(0.1)
        other = batch | {"pose": 1 - batch["pose"]}
        assert objective.module(batch)["loss"] != objective.module(other)["loss"]


@pytest.mark.parametrize("attention", [True, False])
def test_gradient_checkpointing_of_a_controlnet_changes_no_gradient(recipes: Any, attention: bool) -> None:
    gradients = []
    for checkpointing in (False, True):
        recipe = recipes("pose-controlnet", attention=attention)
        recipe = recipe.model_copy(update={"gradient_checkpointing": checkpointing})
        objective: PoseTraining = build_objective(recipe, CPU)  # type: ignore[assignment]
        assert objective.net.is_gradient_checkpointing == checkpointing
        chance = torch.Generator().manual_seed(0)
        with torch.no_grad():  # its last layers start at zero, and no gradient passes them
            for parameter in objective.net.parameters():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=chance))
        batch = torch.utils.data.default_collate([objective.source[n] for n in range(2)])
        objective.module(batch)["loss"].backward()
        gradients.append({name: p.grad for name, p in objective.net.named_parameters()})
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[0], gradients[1])


def test_samples_hold_faces_of_references_and_of_the_picture(recipes: Any) -> None:
    objective: StoryMakerTraining = build_objective(recipes("story-maker"), CPU)  # type: ignore[assignment]
    source = objective.source
    found = shown = 0
    for index in range(10):
        sample, again = source[index], source[index]
        assert all(torch.equal(sample[name], again[name]) for name in sample)
        assert not (sample["face_present"] & ~sample["present"]).any()
        for place in range(2):
            length = float(sample["face_embeds"][place].norm())
            assert length == pytest.approx(float(sample["face_present"][place]), abs=1e-3)
            assert bool(sample["faces"][place].any()) == bool(sample["face_present"][place])
        found += int(sample["face_present"].sum())
        shown += int(sample["shown_present"].sum())
        inside = sample["shown_points"][sample["shown_present"]]
        assert bool(((inside > -16) & (inside < 80)).all())
    assert found > 3
    assert shown > 1


def test_shares_left_out() -> None:
    class Plain:
        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return {"number": torch.tensor(index)}

    source = LeftOut(Plain(), drop_crop=0.2, zero_face=0.3, zero_character=0.5, seed=1)
    samples = [source[n] for n in range(600)]
    share = {name: np.mean([bool(sample[name]) for sample in samples]) for name in samples[0] if name != "number"}
    assert share == pytest.approx({"drop_crop": 0.2, "zero_face": 0.3, "zero_character": 0.5 * 0.7}, abs=0.06)
    assert not any(sample["zero_face"] and sample["zero_character"] for sample in samples)
    assert all(int(sample["number"]) == n for n, sample in enumerate(samples))


def test_what_cannot_be_trained_is_told(recipes: Any) -> None:
    for changes, complaint in (
        ({"most": 4}, "most = 4 people do not fit 3 places"),
        ({"cache": None}, "trains on parameters.cache or on parameters.data"),
        ({"detector": None}, "need the toon detector"),
    ):
        with pytest.raises(TrainingError, match=complaint):
            build_objective(recipes("story-maker", **changes), CPU)


def test_the_full_size_recipe_is_the_papers_and_the_published_layout() -> None:
    """Section 5.1.2; its sizes are those of the published file."""
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "story-maker-sdxl.toml")
    parameters = Parameters.model_validate(recipe.parameters)
    rates = [recipe.optimizer.learning_rate * rate(recipe.schedule, step, 0.0) for step in (0, 3999, 4000, 7999)]
    assert (recipe.steps, recipe.batch, rates) == (8000, 64, [1e-4, 1e-4, 5e-5, 5e-5])
    assert (parameters.rank, parameters.attention_weight) == (128, 0.1)
    assert (parameters.drop_text, parameters.drop_crop) == (0.1, 0.05)
    assert parameters.sizes.perceiver(1280, 2048, 512, parameters.people) == PerceiverSize()
    toon = load_recipe(Path(__file__).parents[2] / "recipes" / "story-maker-toon.toml")
    assert Parameters.model_validate(toon.parameters).attention_form == "paper"


def test_a_dry_run_of_the_full_size_recipe_at_tiny_width(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On shards of people over a base that predicts noise, beginning nowhere; then the engine reads what came out."""
    build(toon_items("people", 4, 64), "people", tmp_path / "shards")
    base = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    tiny.controlnet(base.unet).save_pretrained(tmp_path / "poses")
    save_net(FaceEncoder(), tmp_path / "face")
    save_net(Detector(), tmp_path / "detector")
    bare = ["parameters.init_faceid=", "parameters.init_plus="]
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "story-maker-sdxl.toml", bare)
    parameters = recipe.parameters | {
        "base": tiny_base_folder,
        "image_encoder": tiny_base_folder / "image_encoder",
        "rank": 2,
    }
    parameters |= {"data": tmp_path / "shards", "controlnet": tmp_path / "poses"}
    parameters |= {name: tmp_path / name for name in ("face", "detector")}
    sizes = {"channels": 16, "depth": 1, "heads": 2, "head_dim": 8, "queries": 3, "face_tokens": 2, "face_depth": 1}
    parameters["sizes"] = recipe.parameters["sizes"] | sizes | {"face_head_dim": 16, "id_hidden": 8}
    parameters["show_steps"] = 2
    changes = {"out": tmp_path / "run", "steps": 2, "batch": 2, "precision": "no", "device": "cpu", "log_every": 1}
    changes["sample_every"] = 2
    loader = recipe.loader.model_copy(update={"workers": 0})
    ways: list[DrawSettings] = []

    def noting(base: Any, given: Any, how: DrawSettings, **more: Any) -> list[Image.Image]:
        ways.append(how)
        return draw(base, given, how, **more)

    monkeypatch.setattr(showing, "draw", noting)
    run = train(recipe.model_copy(update=changes | {"parameters": parameters, "loader": loader}))
    assert [(how.steps, how.guidance, how.scheduler, how.seed) for how in ways] == [
        (2, 7.5, "unipc", seed) for seed in range(4)
    ]
    for line in (run / "log.jsonl").read_text().splitlines():
        assert np.isfinite(json.loads(line)["loss"])
        assert json.loads(line)["attention"] > 0
        assert "identity" in json.loads(line)
    grid = Image.open(run / "samples" / "step-00000002.png")
    assert grid.size == (4 * base.side, base.side // 2 + 2 * base.side)  # references, what is asked for, what is drawn
    adapter, facts = load_adapter(base.unet, run / "export" / "adapter.safetensors")
    assert (adapter.rank, facts.head_dim, facts.options.lora_scale) == (2, 8, 1.0)


@pytest.mark.parametrize("form", ["paper", "published"])
def test_pictures_that_show_nobody_are_borne(recipes: Any, form: str) -> None:
    objective: StoryMakerTraining = build_objective(recipes("story-maker", attention_form=form), CPU)  # type: ignore
    batch = torch.utils.data.default_collate([objective.source[n] for n in range(2)])
    nobody = ("present", "masks", "reference_masks", "face_present", "shown_present")
    terms = objective.module(batch | {name: torch.zeros_like(batch[name]) for name in nobody})
    terms["loss"].backward()
    assert float(terms["identity"].detach()) == 0
    assert all(bool(torch.isfinite(term.detach())) for term in terms.values())
    gradients = [p.grad for p in objective.adapter.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_the_identity_loss_looks_at_little_noised_faces_only(recipes: Any) -> None:
    objective: StoryMakerTraining = build_objective(recipes("story-maker", id_steps=250), CPU)  # type: ignore
    index = next(n for n in range(20) if objective.source[n]["shown_present"].any())
    batch = torch.utils.data.default_collate([objective.source[index]]) | {"drop": torch.tensor([False])}
    terms = {t: objective.module(batch | {"timestep": torch.tensor([t])}) for t in (250, 251)}
    assert float(terms[251]["identity"].detach()) == 0
    assert 0 < float(terms[250]["identity"].detach()) < 0.2
    terms[250]["identity"].backward()
    moved = [
        p for n, p in objective.adapter.named_parameters() if n.endswith(("to_v_ip.weight", "to_v_lora.up.weight"))
    ]
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in moved)
    assert all(p.grad is None for p in objective.base.vae.parameters())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_the_identity_loss_decodes_in_the_autoencoder_s_own_precision(recipes: Any, precision: torch.dtype) -> None:
    objective: StoryMakerTraining = build_objective(recipes("story-maker"), CPU)  # type: ignore[assignment]
    index = next(n for n in range(20) if objective.source[n]["shown_present"].any())
    batch = torch.utils.data.default_collate([objective.source[index]]) | {"drop": torch.tensor([False])}
    seen: list[torch.dtype] = []
    objective.base.vae.decoder.conv_in.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    with torch.autocast("cpu", precision):
        assert objective.base.unet.conv_in(batch["latents"]).dtype == precision
        identity = objective.module(batch)["identity"]
    assert seen == [torch.float32]
    identity.backward()
    gradients = [p.grad for p in objective.adapter.parameters() if p.grad is not None]
    assert any(bool(gradient.any()) for gradient in gradients)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_the_identity_loss_has_a_face_encoder_of_its_own(tmp_path: Path) -> None:
    """What reads faces for the samples stays on the CPU wherever the loss is computed."""
    save_net(FaceEncoder(), tmp_path / "face")
    save_net(Detector(), tmp_path / "detector")
    faces = ToonFaces(ToonDetector(tmp_path / "detector"), tmp_path / "face")
    picture = np.zeros((1, FaceEncoder.side, FaceEncoder.side, 3), np.uint8)
    before = faces.embed(picture)
    parameters = Parameters.model_validate(dict.fromkeys(("data", "base", "image_encoder", "face"), tmp_path))
    base = SimpleNamespace(device=torch.device("meta"))
    loss = find_id_loss(parameters, base, SimpleNamespace(faces=faces))  # type: ignore[arg-type]
    assert loss is not None
    assert {p.device.type for p in loss.net.parameters()} == {"meta"}
    assert np.array_equal(faces.embed(picture), before)


@torch.no_grad()
def test_the_recipes_weights_multiply_their_terms_once(recipes: Any) -> None:
    """So many times the weight, so many times the term; and the loss has just these two beside its error."""
    light: StoryMakerTraining = build_objective(recipes("story-maker"), CPU)  # type: ignore[assignment]
    heavier = recipes("story-maker", attention_weight=1.0, id_weight=0.3)  # both 0.1 by themselves
    heavy: StoryMakerTraining = build_objective(heavier, CPU)  # type: ignore[assignment]
    heavy.adapter.load_state_dict(light.adapter.state_dict())
    index = next(n for n in range(20) if light.source[n]["shown_present"].any())
    batch = torch.utils.data.default_collate([light.source[index]]) | {"drop": torch.tensor([False])}
    a, b = (objective.module(batch) for objective in (light, heavy))
    for term, times in (("attention", 10), ("identity", 3)):
        assert float(a[term]) > 0
        assert float(b[term]) == pytest.approx(times * float(a[term]), rel=1e-4), term
    for out in (a, b):
        assert float(out["loss"]) == pytest.approx(float(out["mse"] + out["attention"] + out["identity"]), rel=1e-5)
    assert float(b["mse"]) == pytest.approx(float(a["mse"]))


def test_the_identity_loss_of_real_pictures_goes_through_the_packs_own_encoder(
    tiny_base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published one: an .onnx graph, upright faces of 112 px, the shards' points and embeddings."""
    face_encoder(tmp_path / "rec.onnx", ArcFace.side, 128)
    recognition = SimpleNamespace(model_file=str(tmp_path / "rec.onnx"), input_mean=127.5, input_std=127.5)
    monkeypatch.setattr(InsightFaces, "app", SimpleNamespace(models={"recognition": recognition}))
    monkeypatch.setattr(InsightFaces, "dim", 128)
    torch.manual_seed(0)
    base = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    places = dict.fromkeys(("data", "base", "image_encoder", "face"), tmp_path)
    parameters = Parameters.model_validate(places | {"id_weight": 0.3, "id_steps": 100})
    loss = find_id_loss(parameters, base, SimpleNamespace(faces=InsightFaces(tmp_path, dim=128)))  # type: ignore
    assert loss is not None
    clean = torch.randn(3, 4, 8, 8, requires_grad=True)
    side = 8 * base.vae_scale_factor
    points = torch.tensor(TEMPLATE * side / TEMPLATE_SIDE, dtype=torch.float32).expand(3, 2, 5, 2)
    wanted = torch.nn.functional.normalize(torch.randn(3, 2, 128), dim=-1)
    shown = torch.tensor([[True, False], [True, True], [True, False]])
    batch = SimpleNamespace(
        extra={"shown_present": shown, "shown_points": points, "shown_embeds": wanted},
        present=torch.tensor([[True, True], [True, False], [True, True]]),
        drop=torch.tensor([False, False, False]),
    )
    found = loss(batch, clean, torch.tensor([100, 7, 101]))["identity"]  # type: ignore[arg-type]
    with torch.no_grad():
        pictures = (base.vae.decode(clean / base.vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)
        faces = torch.nn.functional.interpolate(pictures, (112, 112), mode="bilinear", align_corners=False)
        seen = OnnxNet(tmp_path / "rec.onnx")(faces * 2 - 1)
    by_hand = [1 - float(seen[row] @ wanted[row, 0] / seen[row].norm()) for row in (0, 1)]
    assert float(found) == pytest.approx(0.3 * np.mean(by_hand), rel=0.05)  # two ways of enlarging
    found.backward()
    assert [bool(row.any()) for row in clean.grad] == [True, True, False]
    monkeypatch.undo()
    absent = SimpleNamespace(faces=InsightFaces(tmp_path / "none"))
    with pytest.raises(BaseModelError, match=r"no \.onnx files of an insightface pack"):
        find_id_loss(parameters, base, absent)  # type: ignore[arg-type]


def test_what_a_prediction_says_the_clean_latents_are() -> None:
    x, noise, a = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3), torch.tensor([0.9, 0.2])
    noisy = noised(x, noise, a)
    torch.testing.assert_close(denoised(noisy, velocity(x, noise, a), a, velocity=True), x)
    torch.testing.assert_close(denoised(noisy, noise, a, velocity=False), x, atol=1e-5, rtol=1e-4)
