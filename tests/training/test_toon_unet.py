"""Text-to-image training at a tiny size: what the models read is what the pipeline gives them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from inkcast.errors import TrainingError
from inkcast.sdxl.backbone import load_backbone
from inkcast.toon.base import MANTISSA, rounded
from inkcast.training.checkpoints import initialise
from inkcast.training.objective import build_objective
from inkcast.training.recipe import Recipe
from inkcast.training.toon_unet import PROMPTS, ToonUNet, encode_text
from inkcast.training.trainer import train

Make = Callable[..., Recipe]


@pytest.fixture
def objective(toon_unet_recipe: Make) -> ToonUNet:
    torch.manual_seed(0)
    return build_objective(toon_unet_recipe(), torch.device("cpu"))  # type: ignore[return-value]


def batch_of(objective: ToonUNet, *indices: int) -> dict[str, torch.Tensor]:
    return torch.utils.data.default_collate([objective.source[index] for index in indices])


def test_it_learns_and_resumes(toon_unet_recipe: Make) -> None:
    rates = {"optimizer": {"learning_rate": 3e-3}, "steps": 24, "checkpoints": {"every": 20, "minutes": 0}}
    run = train(toon_unet_recipe(**rates))
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-6:]) < 0.9 * sum(losses[:6])
    longer = train(toon_unet_recipe(**(rates | {"steps": 25})), resume=True)
    assert [json.loads(line)["step"] for line in (longer / "log.jsonl").read_text().splitlines()][-1] == 25
    started = build_objective(toon_unet_recipe("again", init=run), torch.device("cpu"))
    assert started is not None


def test_it_starts_from_an_exported_base(objective: ToonUNet, toon_unet_recipe: Make, tmp_path: Path) -> None:
    objective.export(tmp_path)
    torch.manual_seed(1)
    other = build_objective(toon_unet_recipe("other"), torch.device("cpu")).module
    wanted = dict(objective.module.named_parameters())
    assert not all(torch.equal(value, wanted[name]) for name, value in other.named_parameters())
    initialise(other, tmp_path)
    for name, value in other.named_parameters():
        assert torch.equal(value, rounded(wanted[name].detach(), MANTISSA).half().float()), name


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_stock_diffusers_loads_the_export(objective: ToonUNet, tmp_path: Path, dtype: torch.dtype | None) -> None:
    with torch.no_grad():
        objective.export(tmp_path)
    arguments = {} if dtype is None else {"dtype": dtype}
    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path, local_files_only=True, **arguments)
    pipeline.set_progress_bar_config(disable=True)
    wanted = dtype or torch.float32
    assert {part.dtype for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2)} == {
        wanted
    }
    assert (pipeline.vae_scale_factor, pipeline.default_sample_size) == (4, 8)
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.vae.config.scaling_factor == 0.7
    assert not [file for file in tmp_path.rglob("*.json") if "_name_or_path" in file.read_text()]

    def drawn(seed: int) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        return pipeline("a cat", num_inference_steps=2, generator=generator, output_type="np").images

    assert drawn(0).shape == (1, 32, 32, 3)
    assert np.array_equal(drawn(0), drawn(0))
    assert not np.array_equal(drawn(0), drawn(1))


def test_training_reads_text_as_the_pipeline_does(objective: ToonUNet) -> None:
    pipeline, parts = objective.pipeline(), objective.module
    texts = ["a girl waving on the beach", ""]
    tokens = objective.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        words, pooled = encode_text((parts.text_encoder, parts.text_encoder_2), tokens)
        given, nothing, pooled_given, pooled_nothing = pipeline.encode_prompt(texts[0])
    assert torch.allclose(words[:1], given, atol=1e-5)
    assert torch.allclose(words[1:], nothing, atol=1e-5)
    assert torch.allclose(pooled[:1], pooled_given, atol=1e-5)
    assert torch.allclose(pooled[1:], pooled_nothing, atol=1e-5)
    assert not torch.allclose(given, nothing, atol=1e-2)


def test_a_base_of_the_other_family_is_stock_too(toon_unet_recipe: Make, tmp_path: Path) -> None:
    """One encoder, attention where SD 2 has it, the text read as its pipeline reads it; and a base that loads."""
    objective: ToonUNet = build_objective(toon_unet_recipe(parameters={"family": "sd"}), torch.device("cpu"))  # type: ignore[assignment]
    module = objective.module
    objective.module(batch_of(objective, 0, 1))["loss"].backward()
    assert all(p.requires_grad and p.grad is not None for p in module.parameters())
    layers = [name for name in module.unet.attn_processors if "attn2" in name]
    assert {name.split(".attentions")[0] for name in layers} == {
        "down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.1", "up_blocks.2",
    }  # fmt: skip
    objective.export(tmp_path / "base")
    first = module.unet.conv_in.weight.detach().clone()
    initialise(module, tmp_path / "base")
    assert torch.equal(module.unet.conv_in.weight, rounded(first, MANTISSA).half().float())
    base = load_backbone(tmp_path / "base", device="cpu", dtype=torch.float32)
    assert (base.family, len(base.text_encoders)) == ("sd", 1)
    tokens = objective.tokenizer(["a girl", ""], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        words, conditions = module.read({"tokens": tokens})
        given, nothing = base.pipeline.encode_prompt("a girl", torch.device("cpu"), 1, True, "")
    assert conditions is None
    torch.testing.assert_close(words, torch.cat([given, nothing]), atol=1e-5, rtol=0)


def test_sizes_are_those_the_pipeline_states(objective: ToonUNet) -> None:
    pipeline, stated = objective.pipeline(), [objective.source[n]["time_ids"] for n in range(64)]
    usual = pipeline._get_add_time_ids((32, 32), (0, 0), (32, 32), torch.float32, text_encoder_projection_dim=16)[0]
    same = [torch.equal(ids, usual) for ids in stated]
    assert 0.5 < sum(same) / 64 < 0.95
    assert all(ids[[2, 3]].tolist() == [0, 0] and torch.equal(ids[:2], ids[4:]) for ids in stated)


def test_the_loss_is_the_velocity_error(objective: ToonUNet) -> None:
    batch, module = batch_of(objective, 0, 1, 2), objective.module
    scheduler = objective.pipeline().scheduler
    a = scheduler.alphas_cumprod[batch["timestep"]].reshape(-1, 1, 1, 1)
    noisy = a.sqrt() * batch["latents"] + (1 - a).sqrt() * batch["noise"]
    with torch.no_grad():
        words, pooled = encode_text((module.text_encoder, module.text_encoder_2), batch["tokens"])
        conditions = {"text_embeds": pooled, "time_ids": batch["time_ids"]}
        v = module.unet(noisy, batch["timestep"], words, added_cond_kwargs=conditions).sample
        clean = a.sqrt() * noisy - (1 - a).sqrt() * v
        off = (clean - batch["latents"]).square() / (1 - a)
        weight = (1 + 2 * (batch["subjects"] / 255)).unsqueeze(1)
        module.focus, module.gamma = 3.0, 0.0
        assert float(module(batch)["loss"]) == pytest.approx(float((weight * off).mean()), rel=1e-3)
        assert float(module(batch)["mse"]) == pytest.approx(float(off.mean()), rel=1e-3)
        # min-SNR weighs the error of the clean picture by min(SNR, 5)
        module.focus, module.gamma, snr = 1.0, 5.0, a / (1 - a)
        assert float(module(batch)["loss"]) == pytest.approx(
            float((off * snr.clamp(max=5) / (snr + 1)).mean()), rel=1e-3
        )


def test_everything_trained_gets_a_gradient(objective: ToonUNet) -> None:
    """Several processes wait for every gradient; and a part without one would be saved untrained."""
    objective.module(batch_of(objective, 0, 1))["loss"].backward()
    still = [name for name, p in objective.module.named_parameters() if p.requires_grad and p.grad is None]
    assert not still
    frozen = {name.split(".")[0] for name, p in objective.module.named_parameters() if not p.requires_grad}
    assert frozen == {"text_encoder"}


def test_samples_cover_each_epoch_and_depend_on_the_number_alone(objective: ToonUNet, toon_unet_recipe: Make) -> None:
    again = build_objective(toon_unet_recipe(), torch.device("cpu"))
    first, second = objective.source[70], again.source[70]
    assert all(torch.equal(first[name], second[name]) for name in first)
    for epoch in (0, 1):
        seen = [objective.source[epoch * 64 + n]["latents"] for n in range(64)]
        assert len({tuple(x.flatten().tolist()) for x in seen}) == 64
    assert not torch.equal(objective.source[0]["latents"], objective.source[64]["latents"])
    latents = torch.stack([objective.source[n]["latents"] for n in range(64)])
    assert np.allclose(latents.mean(), objective.source.latents.latents.astype(np.float32).mean() * 0.7, atol=1e-3)


def test_a_share_of_captions_is_dropped(toon_unet_recipe: Make) -> None:
    objective = build_objective(toon_unet_recipe(parameters={"drop": 0.3}), torch.device("cpu"))
    empty = objective.tokenizer("", padding="max_length").input_ids
    dropped = [objective.source[n]["tokens"].tolist() == empty for n in range(400)]
    assert 0.22 < sum(dropped) / 400 < 0.38


def test_samples_shown(objective: ToonUNet) -> None:
    with torch.no_grad():
        first, second = objective.picture(), objective.picture()
    assert first.shape == (2 * 32, len(PROMPTS) // 2 * 32, 3)
    assert torch.equal(first, second)


def test_a_missing_autoencoder_is_one_line(toon_unet_recipe: Make, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"there is no autoencoder at .*; train recipes/toon-vae\.toml first"):
        build_objective(toon_unet_recipe(parameters={"vae": tmp_path / "absent"}), torch.device("cpu"))
