"""A tiny random SDXL (or SD) base made of real diffusers and transformers classes, written as a diffusers folder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from inkcast.toon.nets import Detector, FaceEncoder, FaceJudge, Judge, Oracle, save_net

TEXT_DIM = 32
PICTURE = 64  # pixels; the VAE's factor is 8, so latents are 8 x 8
_KNOWN = """a the in on of and with at to girl boy cat bear robot park beach street hugs waves sits runs red blue green
hair long short day night , . mira stone tom reed ann lee ben close up wide shot flat drawing zqa zqb"""
WORDS = _KNOWN.split()


def _bpe(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """The word's pieces under the merges, the first merge first."""
    pieces = [*word[:-1], word[-1] + "</w>"]
    for pair in merges:
        for i in range(len(pieces) - 2, -1, -1):
            if (pieces[i], *pieces[i + 1 : i + 2]) == pair:
                pieces[i : i + 2] = ["".join(pair)]
    return pieces


def tokenizer() -> CLIPTokenizer:
    """Byte-level CLIP BPE in which every one of `WORDS` is one token."""
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = letters + [letter + "</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = _bpe(word, merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            vocabulary.append(pieces[0])
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)}, merges=merges, model_max_length=77
    )


def unet(**changes: object) -> UNet2DConditionModel:
    """SDXL's block types: none, then two resolutions with one and two transformer blocks; 22 attention layers."""
    config: dict[str, object] = {
        "sample_size": PICTURE // 8,
        "block_out_channels": (16, 32, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 1, 2),
        "attention_head_dim": (2, 2, 4),
        "cross_attention_dim": 2 * TEXT_DIM,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + TEXT_DIM,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**(config | changes)).eval()


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=PICTURE,
        scaling_factor=0.13025,
    ).eval()


def text_config(vocabulary: CLIPTokenizer, channels: int = TEXT_DIM) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=channels,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=channels,
        bos_token_id=vocabulary.bos_token_id,
        eos_token_id=vocabulary.eos_token_id,
        pad_token_id=vocabulary.pad_token_id,
    )


def image_encoder() -> CLIPVisionModelWithProjection:
    """A CLIP vision model at 32 px with 8 px patches: 17 tokens of 32 channels."""
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=32,
    )
    return CLIPVisionModelWithProjection(config).eval()


def controlnet(model: UNet2DConditionModel) -> ControlNetModel:
    return ControlNetModel.from_unet(model, conditioning_embedding_out_channels=(8, 8, 8, 8)).eval()


def scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1, timestep_spacing="leading"
    )


def pipeline(second_dim: int = TEXT_DIM) -> StableDiffusionXLPipeline:
    """The whole base in memory, seeded: equal weights at every call. `second_dim`: of the second text encoder."""
    torch.manual_seed(0)
    words = tokenizer()
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(words)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text_config(words, second_dim)).eval(),
        tokenizer=words,
        tokenizer_2=tokenizer(),
        unet=unet(cross_attention_dim=TEXT_DIM + second_dim, projection_class_embeddings_input_dim=6 * 8 + second_dim),
        scheduler=scheduler(),
        add_watermarker=False,
    )


def sd_pipeline() -> StableDiffusionPipeline:
    """A tiny base of family "sd": one text encoder, no added conditioning."""
    torch.manual_seed(0)
    words = tokenizer()
    plain = {
        "addition_embed_type": None,
        "addition_time_embed_dim": None,
        "projection_class_embeddings_input_dim": None,
        "cross_attention_dim": TEXT_DIM,
    }
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(words)).eval(),
        tokenizer=words,
        unet=unet(**plain),
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_base(folder: Path) -> Path:
    """Writes the SDXL base with its vision encoder under `folder` as users have it on disk; returns the folder."""
    pipeline().save_pretrained(folder)
    torch.manual_seed(1)
    image_encoder().save_pretrained(folder / "image_encoder")
    return folder


def unet_inputs(model: UNet2DConditionModel, rows: int, seed: int = 0) -> dict[str, object]:
    """Arguments of one UNet call: latents of 8 x 8, a prompt of 77 tokens, SDXL's added conditioning."""
    g = torch.Generator().manual_seed(seed)
    return {
        "sample": torch.randn(rows, 4, 8, 8, generator=g),
        "timestep": torch.tensor(500),
        "encoder_hidden_states": torch.randn(rows, 77, 2 * TEXT_DIM, generator=g),
        "added_cond_kwargs": {
            "text_embeds": torch.randn(rows, TEXT_DIM, generator=g),
            "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]]).repeat(rows, 1),
        },
    }


def eyes(folder: Path) -> None:
    """The toon world's seeing nets and the CLIP vision model, always the same random ones, into the folder."""
    torch.manual_seed(0)
    for name, net in (
        ("oracle", Oracle()),
        ("detector", Detector()),
        ("face", FaceEncoder()),
        ("face_judge", FaceJudge()),
        ("judge", Judge()),
    ):
        save_net(net, folder / name)
    image_encoder().save_pretrained(folder / "image_encoder")
    CLIPImageProcessorPil().save_pretrained(folder / "image_encoder")
