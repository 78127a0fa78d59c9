"""AnyStory's router (section 3.3) against the paper written out, pixel by pixel; its gates; eq. 4 by hand."""

from __future__ import annotations

import math

import pytest
import torch
from tests.engines.any_story.parts import ROUTER

from inkcast.engines.any_story.losses import instance_targets, routing_loss
from inkcast.engines.any_story.router import RouterNet, coarse_mask, gumbel_gate
from inkcast.sdxl.attention import one_hot_gate
from inkcast.sdxl.layers import LayerInfo

LAYER = LayerInfo("down.cross", 3, True, 2, 12, 64)
ROWS, SUBJECTS, PIXELS = 2, 3, 16  # the last subject is the background


@pytest.fixture
def net() -> RouterNet:
    torch.manual_seed(0)
    made = RouterNet([LAYER], ROUTER)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


def given(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    routing, latents = torch.randn(ROWS, SUBJECTS, 24, generator=g), torch.randn(ROWS, PIXELS, 12, generator=g)
    return routing, latents * torch.tensor([2.0, 0.1]).view(ROWS, 1, 1)  # the second row's maps are nearly flat


def written_out(net: RouterNet, routing: torch.Tensor, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Coarse and refined maps of one row: every pixel's key and value projected, one subject and head at a time."""
    layer = net.layers[str(LAYER.number)]

    def maps(features: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(SUBJECTS, PIXELS)
        for i in range(SUBJECTS):
            direction = layer.to_map(layer.norm(features[i]))
            for u in range(PIXELS):
                out[i, u] = latents[u] @ direction[:-1] / math.sqrt(12) + direction[-1]
        return out.exp() / out.exp().sum(0)

    coarse = maps(routing)
    refined = routing.clone()
    for i in range(SUBJECTS):
        inside = [u for u in range(PIXELS) if coarse[i, u] >= 0.5] or list(range(PIXELS))
        query = layer.to_q(layer.norm(routing[i])).view(2, 8)
        heads = []
        for h in range(2):
            keys = torch.stack([layer.to_k(latents[u]).view(2, 8)[h] for u in inside])
            values = torch.stack([layer.to_v(latents[u]).view(2, 8)[h] for u in inside])
            heads.append((keys @ query[h] / math.sqrt(8)).softmax(0) @ values)
        refined[i] = routing[i] + layer.to_out(torch.cat(heads))
    return coarse, maps(refined)


@torch.no_grad()
def test_coarse_and_refined_maps_are_the_papers(net: RouterNet) -> None:
    routing, latents = given()
    coarse, refined = (net.route(routing, refine=refine)(LAYER.name, latents) for refine in (False, True))
    masks = coarse_mask(coarse)
    assert bool((coarse.amax(-1) < 0.5).any())  # an empty coarse map is among them
    assert not bool(masks.all())
    for row in range(ROWS):
        expected = written_out(net, routing[row], latents[row])
        torch.testing.assert_close(coarse[row], expected[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(refined[row], expected[1], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(coarse, refined, atol=1e-2)


@torch.no_grad()
def test_maps_share_every_pixel_out(net: RouterNet) -> None:
    routing, latents = given()
    maps = net.route(routing)(LAYER.name, latents)
    assert maps.shape == (ROWS, SUBJECTS, PIXELS)
    torch.testing.assert_close(maps.sum(1), torch.ones(ROWS, PIXELS))
    assert torch.equal(one_hot_gate(maps).sum(1), torch.ones(ROWS, PIXELS))


@torch.no_grad()
def test_one_cast_serves_every_row(net: RouterNet) -> None:
    routing, latents = given()
    together = net.route(routing[:1])(LAYER.name, latents)
    torch.testing.assert_close(together, net.route(routing[:1].expand(ROWS, -1, -1))(LAYER.name, latents))


@torch.no_grad()
def test_subjects_permuted_permute_the_maps(net: RouterNet) -> None:
    routing, latents = given()
    order = torch.tensor([1, 0, 2])
    torch.testing.assert_close(
        net.route(routing[:, order])(LAYER.name, latents), net.route(routing)(LAYER.name, latents)[:, order]
    )


def test_an_empty_coarse_map_gives_no_nan(net: RouterNet) -> None:
    """The background wins everywhere, so both subjects' coarse maps are empty: they look everywhere instead."""
    layer = net.layers[str(LAYER.number)]
    routing, latents = given()
    with torch.no_grad():
        layer.to_map.weight.zero_()
        layer.to_map.weight[-1, 0] = 50.0
        layer.norm.weight.fill_(1.0)
        routing[:, :, 0] = torch.tensor([-5.0, -5.0, 5.0])
    router = net.route(routing)
    coarse = net.route(routing, refine=False)(LAYER.name, latents).detach()
    assert float(coarse[:, :2].max()) < 0.5
    maps = router(LAYER.name, latents)
    maps.square().sum().backward()
    assert bool(torch.isfinite(maps).all())
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in net.parameters())


@torch.no_grad()
def test_padding_has_no_share(net: RouterNet) -> None:
    routing, latents = given()
    present = torch.tensor([[True, False, True]] * ROWS)
    maps = net.route(routing, present)(LAYER.name, latents)
    assert torch.equal(maps[:, 1], torch.zeros(ROWS, PIXELS))
    alone = net.route(routing[:, [0, 2]])(LAYER.name, latents)
    torch.testing.assert_close(maps[:, [0, 2]], alone)


@torch.no_grad()
def test_a_fresh_router_refines_nothing() -> None:
    """The update starts at zero, so that training begins with the coarse map."""
    torch.manual_seed(0)
    fresh = RouterNet([LAYER], ROUTER)
    routing, latents = given()
    assert torch.equal(
        fresh.route(routing)(LAYER.name, latents), fresh.route(routing, refine=False)(LAYER.name, latents)
    )


def test_gradients_of_the_router_are_finite_differences(net: RouterNet) -> None:
    net.double()
    routing, latents = (x.double() for x in given())
    coarse = net.route(routing, refine=False)(LAYER.name, latents).detach()
    assert float((coarse - 0.5).abs().min()) > 1e-4  # no coarse mask flips in between

    def maps(features: torch.Tensor) -> torch.Tensor:
        return net.route(features)(LAYER.name, latents)[..., ::5]

    assert torch.autograd.gradcheck(maps, (routing.requires_grad_(),))


def test_gumbel_gates_are_one_hot_and_drawn_from_the_map() -> None:
    torch.manual_seed(0)
    maps = torch.tensor([0.7, 0.2, 0.1, 0.0]).view(1, 4, 1).expand(1, 4, 20_000)
    gates = gumbel_gate(maps)
    assert float((gates - gates.round()).abs().max()) < 1e-5
    torch.testing.assert_close(gates.sum(1), torch.ones(1, 20_000))
    torch.testing.assert_close(gates.mean(-1)[0], torch.tensor([0.7, 0.2, 0.1, 0.0]), atol=0.012, rtol=0)


def test_gumbel_gates_pass_gradients_even_where_a_map_is_zero() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 8, requires_grad=True)
    maps = logits.masked_fill(torch.tensor([[[False], [True], [False]]]), -math.inf).softmax(1)
    (gumbel_gate(maps) * torch.randn(1, 3, 8)).sum().backward()
    assert bool(torch.isfinite(logits.grad).all())
    assert float(logits.grad[:, 0].abs().min()) > 0
    assert torch.equal(logits.grad[:, 1], torch.zeros(1, 8))


def test_equation_4_by_hand() -> None:
    """Two layers, two rows; the second row has one subject. The background has no term."""
    masks = torch.zeros(2, 2, 4, 4)
    masks[0, 0, :2], masks[0, 1, 2:], masks[1, 0, :, :2] = 1, 1, 1
    present = torch.tensor([[True, True], [True, False]])
    fine, coarse = torch.rand(2, 3, 16), torch.rand(2, 3, 4)
    total = 0.0
    for maps, side in ((fine, 4), (coarse, 2)):
        for row, count in ((0, 2), (1, 1)):
            for i in range(count):
                target = masks[row, i, :: 4 // side, :: 4 // side].flatten()
                total += sum((float(maps[row, i, u]) - float(target[u])) ** 2 for u in range(side**2)) / side**2 / count
    expected = total / 2 / 2
    assert float(routing_loss([(fine, (4, 4)), (coarse, (2, 2))], masks, present)) == pytest.approx(expected, rel=1e-5)
    changed = fine.clone()
    changed[:, -1] = 0.5
    changed[1, 1] = 0.9
    same = routing_loss([(changed, (4, 4)), (coarse, (2, 2))], masks, present)
    assert float(same) == pytest.approx(expected, rel=1e-5)


def test_targets_are_zero_or_one_by_majority() -> None:
    masks = torch.zeros(1, 1, 4, 4)
    masks[0, 0, :, :3] = 1
    assert torch.equal(instance_targets(masks, (2, 2)), torch.tensor([[[1.0, 1.0, 1.0, 1.0]]]))
    masks[0, 0, :, 2] = torch.tensor([1.0, 0, 0, 0])
    assert torch.equal(instance_targets(masks, (2, 2)), torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]))
