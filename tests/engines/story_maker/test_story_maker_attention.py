"""Equations 2, 3 and 8 in every attention of one real UNet call, against the paper written out."""

from __future__ import annotations

import math

import torch
from tests import tiny
from tests.engines.story_maker.small import ANN, BEN, character, engine, panel

from inkcast.engines.engine import Style
from inkcast.sdxl.attention import AttentionTrace
from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.layers import attention_layers

GAMMA, SCALE = 0.7, 0.6


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax(Q K^T / sqrt(d)) V one head at a time, and the mean of the softmaxes."""
    width, outs, maps = q.shape[1] // heads, [], []
    for h in range(heads):
        place = slice(h * width, (h + 1) * width)
        scores = (q[:, place] @ k[:, place].T / math.sqrt(width)).exp()
        maps.append(scores / scores.sum(1, keepdim=True))
        outs.append(maps[-1] @ v[:, place])
    return torch.cat(outs, 1), torch.stack(maps).mean(0)


@torch.no_grad()
def test_equations_2_3_and_8_in_every_layer_of_one_call(backbone: Backbone) -> None:
    maker, unet = engine(backbone, subject_scale=GAMMA, lora_scale=SCALE), backbone.unet
    plain = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    lora, ppr = maker.adapter.ip_adapter.state_dict(), maker.adapter.image_proj_model
    cast = {who: maker.encode(character(who)) for who in (ANN, BEN)}
    parts = [[cast[who].tensors[part] for part in ("face", "character")] for who in (ANN, BEN)]
    placed = [ppr.placed(*pair, torch.tensor([place])) for place, pair in enumerate(parts)]
    c_i = ppr.sequence(torch.stack(placed, dim=1))[0]
    calls: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for layer in attention_layers(unet):
        unet.get_submodule(layer.name).register_forward_hook(
            lambda _, args, out, name=layer.name: calls.__setitem__(name, (args[0][0], out[0]))
        )
    trace = AttentionTrace(record_attention=True)
    with maker.active():
        conditioning = maker.condition(panel(ANN, BEN), cast, Style())
        inputs = tiny.unet_inputs(unet, 1) | {"encoder_hidden_states": conditioning.prompt.positive}
        memory = fit(conditioning.positive, (8, 8))
        unet(**inputs, cross_attention_kwargs={"memory": memory, "trace": trace})
    c_t = conditioning.prompt.positive[0]
    for layer in attention_layers(unet):
        z, out = calls[layer.name]

        def weight(projection: str, layer=layer) -> torch.Tensor:  # type: ignore[no-untyped-def]
            path = "to_out.0" if projection == "to_out" else projection
            up, down = (lora[f"{layer.number}.{projection}_lora.{part}.weight"] for part in ("up", "down"))
            return (plain[f"{layer.name}.{path}.weight"] + SCALE * up @ down).T

        source = c_t if layer.is_cross else z
        q = z @ weight("to_q")
        expected, _ = attention(q, source @ weight("to_k"), source @ weight("to_v"), layer.heads)
        if layer.is_cross:
            K_i, V_i = (c_i @ lora[f"{layer.number}.to_{part}_ip.weight"].T for part in "kv")
            people, P = attention(q, K_i, V_i, layer.heads)
            expected = expected + GAMMA * people
            torch.testing.assert_close(trace.attention[layer.name][0], P, atol=1e-5, rtol=1e-3)
        expected = expected @ weight("to_out") + plain[f"{layer.name}.to_out.0.bias"]
        torch.testing.assert_close(out, expected, atol=3e-5, rtol=1e-3, msg=lambda m, n=layer.name: f"{n}: {m}")
    assert len(calls) == 22
