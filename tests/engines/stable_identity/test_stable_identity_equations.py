"""Each equation against an independent form of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests import tiny
from tests.engines.stable_identity.people import NAMES, Stare, person
from torch import nn

from inkcast.engines.stable_identity import losses
from inkcast.engines.stable_identity.encoder import EqualLinear, WordEncoder, WordMLP
from inkcast.engines.stable_identity.losses import Schedule, as_noise_and_clean, face_weight, noised, two_phase_loss
from inkcast.engines.stable_identity.prior import Prior, adain, celebrity_priors, famous, names_in, word_prior
from inkcast.engines.stable_identity.views import cropped, head_square, hue_turn, jittered, placed, portrait, shrunk
from inkcast.errors import EngineError
from inkcast.toon.dataset import stars


def test_adain_is_the_names_mean_and_sample_deviation_by_hand() -> None:
    table = torch.randn(20, 3, dtype=torch.float64)
    ids = [(1, 4), (2, 5), (3, 9), (8, 5)]
    prior = word_prior(table, ids)
    x = torch.randn(2, 3)
    result = adain(x, prior)
    for word in range(2):
        for channel in range(3):
            values = [float(table[pair[word], channel]) for pair in ids]
            mean = sum(values) / len(values)
            deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
            assert float(result[word, channel]) == pytest.approx(float(x[word, channel]) * deviation + mean, abs=1e-5)


def test_only_names_of_two_single_tokens_count() -> None:
    words = tiny.tokenizer()
    found = names_in(words, ["mira stone", "mira xyzzy", "mira", "ann lee stone", "Tom Reed", "zqaxx"])
    assert [words.decode(list(pair)).split() for pair in found] == [["mira", "stone"], ["tom", "reed"]]


def test_each_text_encoder_has_a_prior_of_its_own_table() -> None:
    pipeline = tiny.pipeline(second_dim=48)
    encoders, tokenizers = (pipeline.text_encoder, pipeline.text_encoder_2), (pipeline.tokenizer, pipeline.tokenizer_2)
    priors = celebrity_priors(encoders, tokenizers, NAMES)
    assert [prior.mean.shape for prior in priors] == [(2, 32), (2, 48)]
    for prior, encoder in zip(priors, encoders, strict=True):
        table = encoder.get_input_embeddings().weight
        last = torch.stack([table[pipeline.tokenizer(name.split()[1]).input_ids[1]] for name in NAMES])
        torch.testing.assert_close(prior.mean[1], last.mean(0))
        torch.testing.assert_close(prior.deviation[1], last.std(0))
    with pytest.raises(EngineError, match="knows 2 of 3 famous names as two tokens, but 8 are needed"):
        celebrity_priors(encoders, tokenizers, ["mira stone", "tom reed", "Xyzzy Plugh"])


def test_people_or_stars_whichever_the_tokenizer_knows() -> None:
    class Knows:
        all_special_ids = ()

        def __init__(self, names: set[str]) -> None:
            self.names = names

        def __call__(self, texts: list[str], **_: object) -> object:
            return type("Encoded", (), {"input_ids": [[1, 2] if t in self.names else [1, 2, 3] for t in texts]})

    assert set(famous([Knows({"Taylor Swift", "Tom Hanks"})]).names) >= {"Taylor Swift", "Tom Hanks"}
    drawn = famous([Knows(set(stars()))])
    assert drawn.names == tuple(stars())
    assert (drawn.rate, famous([Knows({"Taylor Swift"})]).rate) == (1e-4, None)
    people = famous([Knows({"Taylor Swift"})]).names
    assert len(people) == len(set(people)) >= 300
    assert all(len(name.split()) == 2 for name in people)


def test_the_mlp_is_six_layers_written_out() -> None:
    torch.manual_seed(0)
    mlp = WordMLP(5, 4, depth=6)
    for parameter in mlp.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 5)

    def linear(layer: EqualLinear, y: torch.Tensor) -> torch.Tensor:
        return y @ (0.1 * layer.weight).T + 0.1 * layer.bias

    def normed(layer: nn.LayerNorm, y: torch.Tensor) -> torch.Tensor:
        y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return y * layer.weight + layer.bias

    def leaky(y: torch.Tensor) -> torch.Tensor:
        return torch.where(y > 0, y, 0.2 * y)

    y = leaky(linear(mlp.first, x))
    assert len(mlp.middle) == 4
    for layer in mlp.middle:
        y = y + leaky(linear(layer.linear, normed(layer.norm, y)))
    y = normed(mlp.norm, linear(mlp.last[1], normed(mlp.last[0], y)))
    torch.testing.assert_close(mlp(x), torch.stack([y[:, :4], y[:, 4:]], dim=1))


def test_the_mlps_have_the_published_size() -> None:
    with torch.device("meta"):
        priors = [Prior(torch.empty(2, d), torch.empty(2, d)) for d in (768, 1280)]
        encoder = WordEncoder(768, priors, depth=6)
    counts = [sum(p.numel() for p in mlp.parameters()) for mlp in encoder.mlps]
    assert counts == [13_003_776, 34_780_160]


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("alpha", [0.5, 0.6])
def test_the_two_phase_loss_is_two_loops(kind: str, alpha: float) -> None:
    g = torch.Generator().manual_seed(0)
    a = torch.linspace(0.99, 0.01, 10)
    schedule = Schedule(a, kind, 0.25)
    clean, noise, output = (torch.randn(4, 2, 3, 3, generator=g) for _ in range(3))
    timesteps = torch.tensor([2, 5, 6, 9])
    face, hair = (torch.randint(2, (4, 1, 3, 3), generator=g).float() for _ in range(2))
    hair = hair * (1 - face)
    expected = 0.0
    for b in range(4):
        a_t = float(a[timesteps[b]])
        total = 0.0
        for c, y, x in np.ndindex(2, 3, 3):
            z0, e, out = (float(t[b, c, y, x]) for t in (clean, noise, output))
            z = math.sqrt(a_t) * z0 + math.sqrt(1 - a_t) * e
            eps = out if kind == "epsilon" else math.sqrt(a_t) * out + math.sqrt(1 - a_t) * z
            z0_hat = (z - math.sqrt(1 - a_t) * eps) / math.sqrt(a_t)
            wrong = (eps - e) if timesteps[b] > alpha * 10 else (z0_hat - z0) / 0.25
            total += (float(face[b, 0, y, x]) + 0.1 * float(hair[b, 0, y, x])) * wrong**2
        expected += total / 18 / 4
    result = two_phase_loss(output, clean, noise, timesteps, face_weight(face, hair), schedule, alpha)
    assert float(result) == pytest.approx(expected, rel=1e-4)


def test_masks_weigh_as_the_published_sum_of_two_losses() -> None:
    prediction, target = torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5)
    face = (torch.rand(2, 1, 5, 5) > 0.5).float()
    hair = (torch.rand(2, 1, 5, 5) > 0.5).float() * (1 - face)
    mse = nn.functional.mse_loss
    published = mse(face * prediction, face * target) + 0.1 * mse(hair * prediction, hair * target)
    torch.testing.assert_close(losses.masked_error(prediction, target, face_weight(face, hair)).mean(), published)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_output_is_read_as_the_noise_and_the_picture(kind: str) -> None:
    clean, noise, a = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3), torch.tensor([0.9, 0.2])
    root, rest = a.sqrt().view(-1, 1, 1, 1), (1 - a).sqrt().view(-1, 1, 1, 1)
    output = noise if kind == "epsilon" else root * noise - rest * clean
    for found, true in zip(as_noise_and_clean(output, noised(clean, noise, a), a, kind), (noise, clean), strict=True):
        torch.testing.assert_close(found, true, atol=1e-4, rtol=1e-4)
    with pytest.raises(EngineError, match="predicts 'sample': stable-identity learns on bases that predict"):
        as_noise_and_clean(output, output, a, "sample")


def test_a_portrait_is_a_square_around_the_head() -> None:
    head = np.zeros((96, 80), dtype=bool)
    head[20:60, 20:50] = True
    top, left, length = head_square(head)
    assert (length, top, left) == (67, 6, 2)
    layers = portrait(Stare().look(person().references[0]), 67)
    assert layers.shape == (5, 67, 67)
    seen = Stare().look(person().references[0])
    torch.testing.assert_close(layers[0], torch.from_numpy(seen.picture[6:73, 2:69, 0].copy()) / 255, atol=1e-3, rtol=0)
    assert layers[3].sum() == 30 * 30
    assert layers[4].sum() == 10 * 30


def test_beyond_the_picture_there_is_no_face() -> None:
    seen = Stare().look(person().references[0])
    seen.masks.face[:] = True
    layers = portrait(seen, 160)
    assert layers[3].sum() == 96 * 80
    assert torch.allclose(layers[:3, 0, 0], layers[:3, 0, 1])


def test_masks_move_with_the_picture_they_belong_to() -> None:
    layers = torch.zeros(5, 32, 32)
    layers[:, 8:20, 6:18] = 1.0
    chance = torch.Generator().manual_seed(3)
    for _ in range(4):
        moved = placed(cropped(layers, chance), chance)
        assert moved.shape == (5, 32, 32)
        assert ((moved[0] >= 0.5).float() - moved[3]).abs().mean() < 0.02
        assert set(moved[3].unique().tolist()) <= {0.0, 1.0}


def test_jitter_leaves_masks_and_greys_their_place() -> None:
    layers = torch.rand(5, 8, 8)
    chance = torch.Generator().manual_seed(0)
    changed = jittered(layers, chance)
    assert torch.equal(changed[3:], layers[3:])
    assert not torch.equal(changed[:3], layers[:3])
    turn = hue_turn(1 / 3)
    torch.testing.assert_close(turn @ torch.ones(3), torch.ones(3))
    torch.testing.assert_close(turn @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


def test_a_tiny_face_is_not_lost_among_the_latents() -> None:
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, 0, :5] = 1
    mask[1, 0, 3, 3] = 1
    small = shrunk(mask, (4, 4))
    assert small[0].sum() == 4
    assert small[1].sum() == 1
