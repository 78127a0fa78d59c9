"""A user's LoRAs: in both kinds of names, at their scales, several at once; and files that are none."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from inkcast.engines.engine import Conditioning
from inkcast.errors import WeightsError
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.loras import load_loras
from inkcast.sdxl.prompts import encode_prompt

RANK, ALPHA = 2, 2


@pytest.fixture
def lora(backbone: Backbone, tmp_path: Path) -> Path:
    return saved(backbone, tmp_path / "mine.safetensors", seed=1)


def saved(backbone: Backbone, path: Path, seed: int) -> Path:
    """A random LoRA of the UNet's and the first text encoder's attention, as diffusers writes it."""
    torch.manual_seed(seed)
    unet, text = copy.deepcopy(backbone.unet), copy.deepcopy(backbone.text_encoders[0])
    config = {"r": RANK, "lora_alpha": ALPHA, "init_lora_weights": False}
    unet.add_adapter(LoraConfig(target_modules=["to_q", "to_k", "to_v", "to_out.0"], **config))
    text.add_adapter(LoraConfig(target_modules=["q_proj", "v_proj"], **config))
    StableDiffusionXLPipeline.save_lora_weights(
        path.parent,
        get_peft_model_state_dict(unet),
        get_peft_model_state_dict(text),
        weight_name=path.name,
    )
    return path


def picture(backbone: Backbone) -> np.ndarray:
    words = encode_prompt(backbone, "a girl in the park", "")
    (image,) = draw(backbone, Conditioning(words, AttentionMemory(), AttentionMemory()), DrawSettings((64, 64), 2))
    return np.asarray(image).astype(int)


def test_it_changes_the_picture_by_its_scale(backbone: Backbone, lora: Path) -> None:
    """What acts is scale * up down: half the scale is half the weights, written out by hand."""
    plain = copy.deepcopy(backbone.unet.state_dict())
    (digest,) = load_loras(backbone, [(lora, 0.5)])
    assert digest == hashlib.sha256(lora.read_bytes()).hexdigest()
    attention = backbone.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn2.to_k
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = load_file(lora)
    down, up = (tensors[f"unet.{name}.lora_{side}.weight"] for side in "AB")
    x = torch.randn(3, attention.in_features)
    by_hand = x @ plain[f"{name}.weight"].T + 0.5 * (ALPHA / RANK) * (x @ down.T) @ up.T
    torch.testing.assert_close(attention(x), by_hand)


def test_no_strength_is_the_base_to_the_bit(backbone: Backbone, lora: Path) -> None:
    before = picture(backbone)
    load_loras(backbone, [(lora, 0.0)])
    assert np.array_equal(picture(backbone), before)
    backbone.pipeline.set_adapters(["lora-1"], adapter_weights=[1.0])
    assert np.abs(picture(backbone) - before).max() > 2


def test_several_act_together(backbone: Backbone, lora: Path, tmp_path: Path) -> None:
    other = saved(backbone, tmp_path / "other.safetensors", seed=2)
    assert len(load_loras(backbone, [(lora, 1.0), (other, 1.0)])) == 2
    both = picture(backbone)
    backbone.pipeline.set_adapters(["lora-1", "lora-2"], adapter_weights=[1.0, 0.0])
    first = picture(backbone)
    backbone.pipeline.set_adapters(["lora-1", "lora-2"], adapter_weights=[0.0, 1.0])
    assert min(np.abs(both - first).max(), np.abs(both - picture(backbone)).max()) > 2


def test_kohyas_names_are_read(backbone: Backbone, lora: Path, tmp_path: Path) -> None:
    """The same weights under the names that most published files have."""
    renamed = {}
    for name, tensor in load_file(lora).items():
        part, path = name.split(".", 1)
        if part == "unet":
            layer, side = path.removesuffix(".weight").rsplit(".lora_", 1)
            key = f"lora_unet_{layer.replace('.', '_')}"
            renamed[f"{key}.{ {'A': 'lora_down', 'B': 'lora_up'}[side] }.weight"] = tensor
            renamed[f"{key}.alpha"] = torch.tensor(float(ALPHA))
    file = tmp_path / "kohya.safetensors"
    save_file(renamed, file)
    only_unet = tmp_path / "unet.safetensors"
    save_file({name: tensor for name, tensor in load_file(lora).items() if name.startswith("unet.")}, only_unet)
    other = copy.deepcopy(backbone, {id(tokenizer): tokenizer for tokenizer in backbone.tokenizers})
    load_loras(backbone, [(file, 1.0)])
    load_loras(other, [(only_unet, 1.0)])
    assert np.array_equal(picture(backbone), picture(other))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.safetensors", None, "no LoRA at .*gone.safetensors"),
        ("mine.pt", b"\x80\x02.", "can run code"),
        ("mine.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{", "is damaged"),
        ("model.safetensors", {"unet.conv_in.weight": torch.ones(2)}, "is no LoRA: its first tensor is 'unet.conv_in"),
        ("wide.safetensors", {f"{{key}}.lora_{side}.weight": torch.ones(2, 2) for side in "AB"}, "does not fit base"),
        (
            "elsewhere.safetensors",
            {f"unet.down_blocks.9.attn.to_k.lora_{side}.weight": torch.ones(2, 2) for side in "AB"},
            "does not fit base",
        ),
    ],
)
def test_what_is_no_lora_of_this_base(
    backbone: Backbone, tmp_path: Path, name: str, content: dict[str, torch.Tensor] | bytes | None, said: str
) -> None:
    key = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        save_file({each.replace("{key}", key): tensor for each, tensor in content.items()}, tmp_path / name)
    with pytest.raises(WeightsError, match=said) as caught:
        load_loras(backbone, [(tmp_path / name, 1.0)])
    assert "\n" not in str(caught.value)
