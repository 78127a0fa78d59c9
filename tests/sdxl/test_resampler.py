from __future__ import annotations

import torch
from diffusers.models.embeddings import IPAdapterPlusImageProjection

from inkcast.sdxl.resampler import Resampler, ResamplerSize

SIZE = ResamplerSize(feature_channels=24, out_channels=20, channels=16, depth=2, heads=2, head_dim=6, queries=5)
NAMES = {
    "norm1": "ln0",
    "norm2": "ln1",
    "to_q": "attn.to_q",
    "to_out": "attn.to_out.0",
}


def as_diffusers(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The public names in diffusers' own, as its loader renames them."""
    renamed = {}
    for name, tensor in tensors.items():
        if not name.startswith("layers."):
            renamed[name] = tensor
            continue
        _, layer, part, rest = name.split(".", 3)
        if part == "1":
            where = {"0": "0", "1": "1.net.0.proj", "3": "1.net.2"}[rest.split(".")[0]]
            renamed[f"layers.{layer}.ff.{where}.{rest.split('.')[1]}"] = tensor
        elif rest == "to_kv.weight":
            renamed[f"layers.{layer}.attn.to_k.weight"], renamed[f"layers.{layer}.attn.to_v.weight"] = tensor.chunk(2)
        else:
            module, kind = rest.split(".")
            renamed[f"layers.{layer}.{NAMES[module]}.{kind}"] = tensor
    return renamed


@torch.no_grad()
def test_it_computes_what_diffusers_projection_computes() -> None:
    torch.manual_seed(0)
    ours = Resampler(SIZE).eval()
    for parameter in ours.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.3)
    theirs = IPAdapterPlusImageProjection(
        embed_dims=24, output_dims=20, hidden_dims=16, depth=2, dim_head=6, heads=2, num_queries=5, ffn_ratio=4
    ).eval()
    theirs.load_state_dict(as_diffusers(ours.state_dict()))
    features = torch.randn(3, 17, 24)
    tokens = ours(features)
    assert tokens.shape == (3, 5, 20)
    torch.testing.assert_close(tokens, theirs(features))
