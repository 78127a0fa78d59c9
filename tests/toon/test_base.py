"""The toon base's models are SDXL's own classes at the sizes asked for, and within their budgets."""

from __future__ import annotations

import torch
from torch import nn

from inkcast.toon.base import TextSize, UNetSize, halved, rounded, text_config, tokenizer_from, unet_from, vae_from

SDXL_BLOCKS = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")


def millions(model: nn.Module) -> float:
    return sum(p.numel() for p in model.parameters()) / 1e6


def test_the_shipped_sizes() -> None:
    unet = unet_from(UNetSize(), (TextSize(), TextSize()))
    assert tuple(unet.config.down_block_types) == SDXL_BLOCKS
    assert tuple(unet.config.up_block_types) == tuple(t.replace("Down", "Up") for t in reversed(SDXL_BLOCKS))
    assert unet.config.addition_embed_type == "text_time"
    assert 6 < millions(unet) < 8
    vae = vae_from(128, (16, 32, 64), layers=1, latent_channels=4, groups=8)
    assert millions(vae) < 0.75
    with torch.no_grad():
        latents = vae.encode(torch.zeros(1, 3, 128, 128)).latent_dist.mode()
        noise = unet(
            latents,
            torch.tensor([5]),
            torch.zeros(1, 77, 256),
            added_cond_kwargs={"text_embeds": torch.zeros(1, 128), "time_ids": torch.zeros(1, 6)},
        ).sample
    assert latents.shape == noise.shape == (1, 4, 32, 32)


def test_cross_attention_at_two_resolutions_as_in_sdxl() -> None:
    unet = unet_from(UNetSize(), (TextSize(), TextSize()))
    where = {name.split(".attentions")[0] for name in unet.attn_processors}
    assert where == {"down_blocks.1", "down_blocks.2", "mid_block", "up_blocks.0", "up_blocks.1"}


def test_text_encoders_know_their_end_mark() -> None:
    tokenizer = tokenizer_from({"a</w>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2, "b": 3, "!": 4}, ())
    config = text_config(TextSize(), tokenizer)
    assert (config.bos_token_id, config.eos_token_id, config.vocab_size) == (1, 2, 5)


def test_halving_copies() -> None:
    layer = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    half = halved(layer)
    assert half.weight.dtype == torch.float16
    assert half.weight.is_contiguous()
    assert layer.weight.dtype == torch.float32
    assert torch.allclose(half.weight.float(), layer.weight, atol=1e-3)


def test_rounding_keeps_the_leading_bits() -> None:
    numbers = torch.cat([torch.randn(2000), torch.tensor([0.0, 1.0, -0.75, 1.99])])
    kept = rounded(numbers, 6)
    assert ((kept - numbers).abs() <= numbers.abs() * 2**-7).all()
    large = kept.half()[kept.abs() > 1e-3]
    assert not (large.view(torch.int16) & 0b1111).any()
    torch.testing.assert_close(rounded(kept, 6), kept, rtol=0, atol=0)
    assert rounded(torch.tensor([1.99, 1.999]), 6).tolist() == [127 / 64, 2.0]
