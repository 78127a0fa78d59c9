"""Drawing at tiny size: what comes out equals diffusers' own pipeline wherever the method adds nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny

from inkcast.engines.engine import Conditioning
from inkcast.errors import EngineError
from inkcast.sampling.control import Control, Follow, FromPicture, Repair
from inkcast.sampling.sampler import DrawSettings, Step, draw
from inkcast.sampling.schedulers import SCHEDULERS
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.layers import LayerProjections, attention_layers, project_text
from inkcast.sdxl.prompts import encode_prompt

SETTINGS = DrawSettings((64, 64), steps=4, seed=7)


def conditioning(
    base: Backbone, *, subjects: int = 2, cached: bool = True, text: str = "a girl hugs a bear"
) -> Conditioning:
    """A prompt with random subject tokens under one softmax; without subjects the plain base."""
    torch.manual_seed(11)
    prompt = encode_prompt(base, text, "red cat")
    crosses = [layer for layer in attention_layers(base.unet) if layer.is_cross]
    project = LayerProjections(crosses, 24).to(base.device, base.dtype)
    tokens = torch.randn(2, 1, 4 * subjects, 24).to(base.device, base.dtype) if subjects else None
    memories = [
        AttentionMemory(
            text=project_text(base.unet, embeds) if cached else {},
            subjects={} if tokens is None else project(tokens[row]),
        )
        for row, embeds in enumerate((prompt.negative, prompt.positive))
    ]
    return Conditioning(prompt, *memories)


@pytest.fixture
def drawn(backbone: Backbone) -> Conditioning:
    with torch.no_grad():
        return conditioning(backbone)


def pixels(images: list) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def stock(base: Backbone, **changes: Any) -> np.ndarray:
    """diffusers' pipeline on the same prompt, without our arguments."""
    prompt = encode_prompt(base, "a girl hugs a bear", "red cat")
    arguments: dict[str, Any] = {
        "prompt_embeds": prompt.positive,
        "negative_prompt_embeds": prompt.negative,
        "pooled_prompt_embeds": prompt.pooled,
        "negative_pooled_prompt_embeds": prompt.negative_pooled,
        "num_inference_steps": 4,
        "height": 64,
        "width": 64,
        "generator": torch.Generator().manual_seed(7),
    }
    return pixels(base.pipeline(**arguments | changes).images)


@pytest.mark.parametrize("guidance", [5.0, 1.0, 0.0])
@pytest.mark.parametrize("cached", [True, False])
def test_without_subjects_it_is_diffusers_to_the_bit(backbone: Backbone, guidance: float, cached: bool) -> None:
    plain = conditioning(backbone, subjects=0, cached=cached)
    assert np.array_equal(
        pixels(draw(backbone, plain, replace(SETTINGS, guidance=guidance))), stock(backbone, guidance_scale=guidance)
    )


def test_guidance_ended_early_is_diffusers_own_way_to_the_bit(backbone: Backbone) -> None:
    def end(pipeline: Any, index: int, timestep: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if index == 1:
            pipeline._guidance_scale = 0.0
            return {name: tensor[-1:] for name, tensor in tensors.items()}
        return tensors

    names = ["prompt_embeds", "add_text_embeds", "add_time_ids"]
    expected = stock(backbone, guidance_scale=5.0, callback_on_step_end=end, callback_on_step_end_tensor_inputs=names)
    ours = draw(backbone, conditioning(backbone, subjects=0), replace(SETTINGS, guidance_end=0.5))
    assert np.array_equal(pixels(ours), expected)
    assert not np.array_equal(expected, stock(backbone, guidance_scale=5.0))


def test_subjects_change_the_picture_and_one_seed_gives_one_picture(backbone: Backbone, drawn: Conditioning) -> None:
    first = pixels(draw(backbone, drawn, SETTINGS))
    assert first.shape == (1, 64, 64, 3)
    assert np.array_equal(pixels(draw(backbone, drawn, SETTINGS)), first)
    assert not np.array_equal(pixels(draw(backbone, drawn, replace(SETTINGS, seed=8))), first)
    assert not np.array_equal(pixels(draw(backbone, conditioning(backbone, subjects=0), SETTINGS)), first)


@pytest.mark.parametrize("changes", [{}, {"guidance": 1.0}, {"guidance_end": 0.5}])
def test_several_pictures_are_as_many_single_ones(backbone: Backbone, drawn: Conditioning, changes: dict) -> None:
    settings = replace(SETTINGS, **changes)
    together = pixels(draw(backbone, drawn, replace(settings, pictures=3)))
    singles = np.concatenate([pixels(draw(backbone, drawn, replace(settings, seed=7 + i))) for i in range(3)])
    assert together.shape == singles.shape
    assert np.abs(together.astype(int) - singles.astype(int)).max() <= 1


def test_guidance_off_reads_the_positive_row_only(backbone: Backbone, drawn: Conditioning) -> None:
    rows_seen = []
    backbone.unet.register_forward_pre_hook(lambda module, args: rows_seen.append(args[0].shape[0]))
    off = replace(SETTINGS, guidance=1.0)
    first = pixels(draw(backbone, drawn, off))
    assert rows_seen == [1] * 4
    strange = replace(drawn, negative=replace(drawn.negative, subjects=drawn.positive.subjects))
    assert np.array_equal(pixels(draw(backbone, strange, off)), first)


def test_a_panel_has_its_own_aspect_with_matching_time_ids(backbone: Backbone, drawn: Conditioning) -> None:
    seen = []
    backbone.unet.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["added_cond_kwargs"]["time_ids"].tolist()), with_kwargs=True
    )
    image = draw(backbone, drawn, replace(SETTINGS, size=(48, 96)))[0]
    assert image.size == (96, 48)
    assert seen[0] == [[48, 96, 0, 0, 48, 96]] * 2


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_draws(backbone: Backbone, drawn: Conditioning, name: str) -> None:
    before = backbone.pipeline.scheduler
    image = draw(backbone, drawn, replace(SETTINGS, scheduler=name))[0]
    assert np.asarray(image).std() > 0
    assert backbone.pipeline.scheduler is before


def test_steps_are_reported_with_their_maps_and_can_cancel(backbone: Backbone, drawn: Conditioning) -> None:
    class CancelledError(Exception):
        pass

    reports: list[tuple[int, int, int]] = []

    def on_step(step: Step) -> None:
        assert step.latents.shape == (1, 4, 8, 8)
        assert all(attention.shape[0] == 2 for attention in step.trace.attention.values())
        reports.append((step.index, step.steps, len(step.trace.attention)))
        if len(reports) == 6:
            raise CancelledError

    crosses = sum(layer.is_cross for layer in attention_layers(backbone.unet))
    first = pixels(draw(backbone, drawn, SETTINGS, on_step=on_step, record_attention=True))
    assert reports == [(i, 4, crosses) for i in range(4)]
    before = backbone.pipeline.scheduler
    with pytest.raises(CancelledError):
        draw(backbone, drawn, SETTINGS, on_step=on_step, record_attention=True)
    assert backbone.pipeline.scheduler is before
    assert np.array_equal(pixels(draw(backbone, drawn, SETTINGS)), first)


def test_what_cannot_be_drawn_is_refused(backbone: Backbone, drawn: Conditioning) -> None:
    for changes, complaint in (
        ({"size": (60, 64)}, "cannot draw 64 x 60 pixels: use multiples of 8"),
        ({"steps": 0}, "0 steps and 1 pictures: both must be 1 or more"),
        ({"scheduler": "ddpm"}, "unknown scheduler 'ddpm': use one of euler, "),
    ):
        with pytest.raises(EngineError, match=complaint):
            draw(backbone, drawn, replace(SETTINGS, **changes))
    backbone.pipeline.enable_attention_slicing()
    with pytest.raises(EngineError, match="turn off attention slicing"):
        draw(backbone, drawn, SETTINGS)


def test_an_overflow_is_an_error_and_not_a_black_picture(backbone: Backbone, drawn: Conditioning) -> None:
    with torch.no_grad():
        backbone.unet.conv_out.bias.fill_(float("inf"))
    with pytest.raises(EngineError, match="overflowed to NaN: use --dtype float32"):
        draw(backbone, drawn, SETTINGS)


def controls(base: Backbone) -> dict[str, Control]:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    from PIL import Image

    picture, mask = Image.fromarray(noise), Image.new("L", (70, 50), 0)
    mask.paste(255, (0, 0, 35, 50))
    torch.manual_seed(5)
    net = tiny.controlnet(base.unet)
    for zero_convolution in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(zero_convolution.weight, std=0.1)
    return {"picture": FromPicture(picture, 0.8), "repair": Repair(picture, mask), "follow": Follow(net, picture)}


@pytest.mark.parametrize("kind", ["picture", "repair", "follow"])
@pytest.mark.parametrize("changes", [{}, {"guidance": 1.0}, {"guidance_end": 0.5, "pictures": 2}])
def test_subjects_reach_every_pipeline(backbone: Backbone, drawn: Conditioning, kind: str, changes: dict) -> None:
    control, settings = controls(backbone)[kind], replace(SETTINGS, **changes)
    bare = replace(drawn, negative=AttentionMemory(), positive=AttentionMemory())
    text_only = conditioning(backbone, subjects=0)
    plain = pixels(draw(backbone, bare, settings, control=control))
    assert plain.shape == (settings.pictures, 64, 64, 3)
    assert np.abs(pixels(draw(backbone, text_only, settings, control=control)).astype(int) - plain).max() <= 1
    assert not np.array_equal(pixels(draw(backbone, drawn, settings, control=control)), plain)
    uncontrolled = pixels(draw(backbone, drawn, settings))
    assert not np.array_equal(pixels(draw(backbone, drawn, settings, control=control)), uncontrolled)


def test_controlled_pipelines_draw_no_bar_of_their_own(
    backbone: Backbone, drawn: Conditioning, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone.pipeline.set_progress_bar_config(disable=True)
    for control in controls(backbone).values():
        draw(backbone, drawn, replace(SETTINGS, steps=2), control=control)
    shown = capsys.readouterr()
    assert "it/s" not in shown.err + shown.out


def test_controlled_pipelines_give_no_advice(
    backbone: Backbone, drawn: Conditioning, caplog: pytest.LogCaptureFixture
) -> None:
    library = logging.getLogger("diffusers")
    library.addHandler(caplog.handler)
    try:
        draw(backbone, drawn, SETTINGS, control=controls(backbone)["follow"])
    finally:
        library.removeHandler(caplog.handler)
    assert not caplog.records


def test_controlled_pipelines_leave_the_shared_dtype_alone(backbone: Backbone) -> None:
    backbone.pipeline.to(torch.bfloat16)
    half = replace(backbone, dtype=torch.bfloat16)
    with torch.no_grad():
        drawn = conditioning(half)
    for control in controls(half).values():
        draw(half, drawn, replace(SETTINGS, steps=2), control=control)
        assert {p.dtype for p in half.unet.parameters()} == {torch.bfloat16}
        assert {p.dtype for p in half.vae.parameters()} == {torch.bfloat16}


def test_a_stable_diffusion_base_draws_through_the_same_seam(tmp_path) -> None:
    from inkcast.sdxl.backbone import load_backbone

    tiny.sd_pipeline().save_pretrained(tmp_path)
    base = load_backbone(tmp_path, device="cpu")
    with torch.no_grad():
        drawn = conditioning(base)
    assert base.family == "sd"
    plain = draw(base, conditioning(base, subjects=0), SETTINGS)[0]
    prompt = drawn.prompt
    expected = base.pipeline(
        prompt_embeds=prompt.positive,
        negative_prompt_embeds=prompt.negative,
        num_inference_steps=4,
        guidance_scale=5.0,
        height=64,
        width=64,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    assert plain.tobytes() == expected.tobytes()
    assert draw(base, drawn, SETTINGS)[0].tobytes() != plain.tobytes()
