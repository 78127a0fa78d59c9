from __future__ import annotations

import pytest
import torch
from tests import tiny

from inkcast.sdxl.backbone import Backbone
from inkcast.sdxl.prompts import encode_prompt, encode_texts, windows


@pytest.mark.parametrize("negative", ["", "red cat"])
def test_short_prompts_are_encoded_as_diffusers_does(backbone: Backbone, negative: str) -> None:
    expected = backbone.pipeline.encode_prompt("a girl hugs Mira Stone", negative_prompt=negative or None, device="cpu")
    ours = encode_prompt(backbone, "a girl hugs Mira Stone", negative)
    for mine, theirs in zip((ours.positive, ours.negative, ours.pooled, ours.negative_pooled), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert (ours.negative == 0).all() == (negative == "")


def test_an_empty_negative_is_encoded_where_the_base_was_not_trained_on_zeros(backbone: Backbone) -> None:
    backbone.pipeline.register_to_config(force_zeros_for_empty_prompt=False)
    expected = backbone.pipeline.encode_prompt("a girl", negative_prompt="", device="cpu")
    torch.testing.assert_close(encode_prompt(backbone, "a girl").negative, expected[1])


def test_long_prompts_keep_every_word_in_windows(backbone: Backbone) -> None:
    words = [tiny.WORDS[i % 20] for i in range(180)]
    runs = windows(backbone.tokenizers[0], " ".join(words))
    assert [len(run) for run in runs] == [75, 75, 30]
    decoded = backbone.tokenizers[0].decode([i for run in runs for i in run])
    assert decoded.split() == words
    embeds = encode_prompt(backbone, " ".join(words), "red cat")
    assert embeds.positive.shape == embeds.negative.shape == (1, 3 * 77, 64)
    tail, _ = encode_texts(backbone, [" ".join(words[150:])])
    torch.testing.assert_close(embeds.positive[:, 154:], tail)
    _, first = encode_texts(backbone, [" ".join(words[:75])])
    torch.testing.assert_close(embeds.pooled, first)


def test_windows_end_where_words_end(backbone: Backbone) -> None:
    text = " ".join(["girl"] * 73 + ["xyzzy"] + ["cat"] * 3)  # "xyzzy" is five tokens and does not fit
    runs = windows(backbone.tokenizers[0], text)
    assert len(runs[0]) == 73
    assert backbone.tokenizers[0].decode(runs[1]).split() == ["xyzzy", "cat", "cat", "cat"]
    endless = windows(backbone.tokenizers[0], "x" * 100)
    assert [len(run) for run in endless] == [75, 25]


def test_a_hook_on_the_word_embeddings_is_obeyed(backbone: Backbone) -> None:
    """How a method's own words come in."""
    plain = encode_prompt(backbone, "zqa zqb hugs a bear")
    table = backbone.text_encoders[1].get_input_embeddings()
    hook = table.register_forward_hook(lambda module, args, out: out + 1.0)
    changed = encode_prompt(backbone, "zqa zqb hugs a bear")
    hook.remove()
    assert torch.equal(changed.positive[..., :32], plain.positive[..., :32])
    assert not torch.allclose(changed.positive[..., 32:], plain.positive[..., 32:], atol=1e-3)
    assert torch.equal(encode_prompt(backbone, "zqa zqb hugs a bear").positive, plain.positive)


def test_gradients_flow_where_enabled(backbone: Backbone) -> None:
    hidden, pooled = encode_texts(backbone, ["a girl", "a cat in the park"])
    assert hidden.requires_grad
    assert pooled is not None
    assert pooled.shape == (2, 32)
    assert not encode_prompt(backbone, "a girl").positive.requires_grad
