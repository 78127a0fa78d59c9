"""The toon base: an SDXL, or an SD 2, of its own sizes, from diffusers' and transformers' own classes.

Functions here turn sizes into models, and trained parts into a folder that diffusers' pipelines load. Models and
pipelines are typed `Any`: diffusers' decorators hide their types from checkers.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

FACTS = "training.json"
START, END, END_OF_WORD = "<|startoftext|>", "<|endoftext|>", "</w>"
TOKENS = 77
TRAIN_STEPS = 1000
MANTISSA = 6  # bits kept of fp16's ten: a relative error of 0.3 %, and a quarter less to pack for git and the wheel

Model = TypeVar("Model", bound=nn.Module)


def vae_from(size: int, channels: Sequence[int], layers: int, latent_channels: int, groups: int) -> Any:
    """An autoencoder whose latents are 2^(len(channels) - 1) times smaller than a picture of `size` px."""
    depth = len(channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        latent_channels=latent_channels,
        norm_num_groups=groups,
        sample_size=size,
        scaling_factor=1.0,
        force_upcast=False,
    )


@dataclass(frozen=True)
class UNetSize:
    """Widths from fine to coarse; `heads` and `transformers` per width (the finest has no attention, as in SDXL)."""

    latent: int = 32
    latent_channels: int = 4
    channels: tuple[int, ...] = (48, 96, 128)
    layers: int = 1
    transformers: tuple[int, ...] = (1, 1, 2)
    heads: tuple[int, ...] = (3, 3, 4)
    groups: int = 16
    time_dim: int = 32


@dataclass(frozen=True)
class TextSize:
    """One text encoder; the pooled vector has `projection` numbers (second encoder only)."""

    hidden: int = 128
    intermediate: int = 256
    layers: int = 3
    heads: int = 4
    projection: int = 128


def unet_from(size: UNetSize, text: Sequence[TextSize]) -> Any:
    """SDXL's UNet: no attention at the finest resolution, pooled text and sizes added to the time embedding."""
    coarser = len(size.channels) - 1
    return UNet2DConditionModel(
        sample_size=size.latent,
        in_channels=size.latent_channels,
        out_channels=size.latent_channels,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * coarser,
        up_block_types=("CrossAttnUpBlock2D",) * coarser + ("UpBlock2D",),
        block_out_channels=size.channels,
        layers_per_block=size.layers,
        transformer_layers_per_block=list(size.transformers),
        attention_head_dim=list(size.heads),
        cross_attention_dim=sum(encoder.hidden for encoder in text),
        norm_num_groups=size.groups,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=size.time_dim,
        projection_class_embeddings_input_dim=text[-1].projection + 6 * size.time_dim,
    )


def sd_unet_from(size: UNetSize, text: TextSize) -> Any:
    """SD 2's UNet: attention at every resolution but the coarsest, one text encoder, nothing beside the words."""
    finer = len(size.channels) - 1
    return UNet2DConditionModel(
        sample_size=size.latent,
        in_channels=size.latent_channels,
        out_channels=size.latent_channels,
        down_block_types=("CrossAttnDownBlock2D",) * finer + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * finer,
        block_out_channels=size.channels,
        layers_per_block=size.layers,
        attention_head_dim=list(size.heads),
        cross_attention_dim=text.hidden,
        norm_num_groups=size.groups,
        use_linear_projection=True,
    )


def text_config(size: TextSize, tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    """With the tokenizer's own marks: transformers pools at the first `eos_token_id` (2 would mean its old rule)."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        projection_dim=size.projection,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )


def tokenizer_from(tokens: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> CLIPTokenizer:
    return CLIPTokenizer(vocab=dict(tokens), merges=cast(Any, list(merges)), model_max_length=TOKENS)


def scheduler_from() -> EulerDiscreteScheduler:
    """SDXL's noise schedule and Euler steps, with v-prediction (Salimans & Ho 2022)."""
    return EulerDiscreteScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="leading",
        steps_offset=1,
    )


def pipeline_from(
    vae: Any,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    text_encoder_2: CLIPTextModelWithProjection | None,
    unet: Any,
) -> Any:
    """The parts as one pipeline, SDXL's with a second text encoder, else SD's.

    SDXL's absent negative prompt is the empty caption, which training drops to, not zeros.
    """
    if text_encoder_2 is None:
        return StableDiffusionPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler_from(),
            safety_checker=None,  # pictures of the drawn world only
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler_from(),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


def halved(model: Model, mantissa: int | None = None) -> Model:
    """A copy in fp16 on the CPU, in plain memory order; its numbers rounded to `mantissa` bits where that is given."""
    copied = copy.deepcopy(model)
    for tensor in (*copied.parameters(), *copied.buffers()):
        number = tensor.is_floating_point()
        held = rounded(tensor.data, mantissa) if number and mantissa is not None else tensor.data
        kind = torch.float16 if number else tensor.dtype
        tensor.data = held.to("cpu", kind, memory_format=torch.contiguous_format)
    return copied


def rounded(tensor: torch.Tensor, mantissa: int) -> torch.Tensor:
    """Each number to the nearest that `mantissa` bits after the leading one hold."""
    fraction, exponent = torch.frexp(tensor)
    return torch.ldexp(torch.round(fraction * 2 ** (mantissa + 1)), exponent - (mantissa + 1))


def save_half(model: Any, folder: Path, **facts: Any) -> None:
    """`model.save_pretrained(folder)` in fp16, the model untouched; `facts` of its training go into `training.json`."""
    halved(model).save_pretrained(folder)
    if facts:
        (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n")


def save_base(pipeline: Any, folder: Path) -> None:
    """The whole base as a diffusers folder, weights in fp16, with `model_index.json`; the UNet's and the text encoders'
    are rounded to `MANTISSA` bits.

    The text encoders' configs name fp32: transformers loads in the type that a config names, diffusers in fp32, and a
    pipeline loaded without a `torch_dtype` must be of one type.
    """
    encoders = [name for name in ("text_encoder", "text_encoder_2") if name in pipeline.components]
    texts = [halved(pipeline.components[name], MANTISSA) for name in encoders]
    pipeline_from(
        halved(pipeline.vae),
        pipeline.tokenizer,
        texts[0],
        texts[1] if len(texts) > 1 else None,
        halved(pipeline.unet, MANTISSA),
    ).save_pretrained(folder)
    for encoder in encoders:
        config = folder / encoder / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "dtype": "float32"}, indent=2) + "\n")
    config = folder / "vae" / "config.json"  # loaded from somewhere on this machine, which is nobody's business
    kept = {key: value for key, value in json.loads(config.read_text()).items() if key != "_name_or_path"}
    config.write_text(json.dumps(kept, indent=2) + "\n")
