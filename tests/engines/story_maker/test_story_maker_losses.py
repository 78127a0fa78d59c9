"""Equations 4 to 6 and 9 to 12, and the identity loss, each against an independent form."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.engines.story_maker.small import SIZE

from inkcast.engines.story_maker.encoder import PositionalPerceiver
from inkcast.engines.story_maker.losses import attention_loss, block_maps, face_grids, id_loss, targets
from inkcast.sdxl.processors import _attention_map
from inkcast.vision.alignment import align_face

L = SIZE.tokens


def norm(x: torch.Tensor, layer: torch.nn.LayerNorm) -> torch.Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.weight + layer.bias


def perceive(blocks: torch.nn.ModuleList, queries: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """The perceiver one head at a time: each query reads the features and all queries."""
    for attend, refine in blocks:
        seen, asked = norm(features, attend.norm1), norm(queries, attend.norm2)
        both, width = torch.cat([seen, asked]), attend.to_q.weight.shape[0] // attend.heads
        key, value = (both @ attend.to_kv.weight.T).chunk(2, dim=1)
        heads = []
        for h in range(attend.heads):
            place = slice(h * width, (h + 1) * width)
            scores = (asked @ attend.to_q.weight[place].T) @ key[:, place].T / math.sqrt(width)
            heads.append(scores.softmax(1) @ value[:, place])
        queries = queries + torch.cat(heads, 1) @ attend.to_out.weight.T
        queries = queries + F.gelu(norm(queries, refine[0]) @ refine[1].weight.T) @ refine[3].weight.T
    return queries


@torch.no_grad()
def test_equations_4_to_7() -> None:
    torch.manual_seed(0)
    ppr = PositionalPerceiver(SIZE)
    for parameter in ppr.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    vector, face, body = torch.randn(2, 6), torch.randn(2, 5, 32), torch.randn(2, 5, 32)
    first, second = ppr.face(vector, face), ppr.character(body)
    people = []
    for i in range(2):
        hidden = F.gelu(vector[i] @ ppr.proj[0].weight.T + ppr.proj[0].bias) @ ppr.proj[2].weight.T + ppr.proj[2].bias
        x = norm(hidden.view(SIZE.face_tokens, -1), ppr.norm)
        r = ppr.perceiver_resampler
        out = perceive(r.layers, x, face[i] @ r.proj_in.weight.T + r.proj_in.bias)
        E_1 = x + norm(out @ r.proj_out.weight.T + r.proj_out.bias, r.norm_out)
        torch.testing.assert_close(first[i], E_1, atol=1e-5, rtol=1e-4)
        r = ppr.resample
        out = perceive(r.layers, r.latents[0], body[i] @ r.proj_in.weight.T + r.proj_in.bias)
        E_2 = norm(out @ r.proj_out.weight.T + r.proj_out.bias, r.norm_out)
        torch.testing.assert_close(second[i], E_2, atol=1e-5, rtol=1e-4)
        x = torch.cat([E_1, E_2]) + ppr.pos_embed[i]
        people.append(x + norm(x @ ppr.proj_out.weight.T + ppr.proj_out.bias, ppr.norm_out))
    c = ppr.sequence(ppr.placed(first, second, torch.arange(2))[None])
    torch.testing.assert_close(c[0], torch.cat([ppr.bg_embed[0], *people]), atol=1e-5, rtol=1e-4)
    assert c.shape == (1, 3 * L, 64)


@pytest.fixture
def scene() -> tuple[list[tuple[torch.Tensor, tuple[int, int]]], torch.Tensor, torch.Tensor]:
    """Maps of three layers at two resolutions over background and two people; the second row has one person."""
    g = torch.Generator().manual_seed(0)
    maps = [(torch.randn(2, h * h, 3 * L, generator=g).softmax(-1).requires_grad_(), (h, h)) for h in (8, 4, 4)]
    masks = torch.zeros(2, 2, 32, 32)
    masks[:, 0, 4:, :13], masks[:, 1, 10:30, 15:] = 1, 1
    return maps, masks, torch.tensor([[True, True], [True, False]])


def shares(mask: np.ndarray, size: int) -> np.ndarray:
    """How much of each of `size` x `size` pixels a mask covers."""
    step = mask.shape[0] // size
    return np.array(
        [[mask[y * step : (y + 1) * step, x * step : (x + 1) * step].mean() for x in range(size)] for y in range(size)]
    )


def test_equations_9_and_10() -> None:
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(1, 2, 6, 8, generator=g), torch.randn(1, 2, 3 * L, 8, generator=g)
    P = _attention_map(q, k)
    A = block_maps(P, 3)
    for pixel in range(6):
        heads = [np.exp([float(q[0, h, pixel] @ k[0, h, j]) / math.sqrt(8) for j in range(3 * L)]) for h in range(2)]
        p = np.mean([head / head.sum() for head in heads], axis=0)
        for block in range(3):
            assert float(A[0, block, pixel]) == pytest.approx(sum(p[block * L : (block + 1) * L]), rel=1e-4)
    held = _attention_map(q, k, (torch.arange(3 * L) < 2 * L).expand(1, 1, 6, -1))
    assert not held[..., 2 * L :].any()
    torch.testing.assert_close(held.sum(-1), torch.ones(1, 6))


def test_the_masks_partition_the_picture(scene) -> None:  # type: ignore[no-untyped-def]
    _, masks, present = scene
    for size in ((8, 8), (5, 7), (1, 1)):
        M = targets(masks, present, size)
        torch.testing.assert_close(M.sum(1), torch.ones(2, size[0] * size[1]))
        assert M.min() >= -1e-6
        assert not M[1, 2].any()


def test_equations_11_and_12(scene) -> None:  # type: ignore[no-untyped-def]
    maps, masks, present = scene
    total = 0.0
    for attention, (size, _) in maps:
        for row, people in ((0, 2), (1, 1)):
            covered = [shares(masks[row, i].numpy(), size) for i in range(people)]
            M = [1 - sum(covered), *covered]
            A = attention.detach()[row].numpy().reshape(size, size, 3, L).sum(-1)
            total += sum(((A[..., k] - M[k]) ** 2).mean() for k in range(people + 1)) / (people + 1) / 2 / 3
    loss = attention_loss(maps, masks, present)
    assert float(loss.detach()) == pytest.approx(float(total), rel=1e-5)
    loss.backward()
    assert all(attention.grad.abs().sum() > 0 for attention, _ in maps)


def test_what_the_published_code_computes(scene) -> None:  # type: ignore[no-untyped-def]
    """Coarsest layers only, averaged and doubled; background plus people, divided by the people."""
    maps, masks, present = scene
    coarse = torch.stack([attention for attention, size in maps if size == (4, 4)]).mean(0).detach()
    total = 0.0
    for row, people in ((0, 2), (1, 1)):
        covered = [shares(masks[row, i].numpy(), 8) for i in range(people)]
        for k, M in enumerate([1 - sum(covered), *covered]):
            A = coarse[row].view(4, 4, 3, L).sum(-1)[..., k].numpy()
            total += ((cv2.resize(A, (8, 8), interpolation=cv2.INTER_LINEAR) - M) ** 2).mean() / people / 2
    assert float(attention_loss(maps, masks, present, "published").detach()) == pytest.approx(float(total), rel=1e-4)


def test_faces_are_cut_for_the_loss_as_for_the_encoder() -> None:
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (60, 50, 3), dtype=np.uint8), (7, 7), 0)
    points = np.array([[18.0, 20], [33, 22], [25, 30], [19, 38], [31, 39]])
    given = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    grid = face_grids(torch.from_numpy(points)[None].float(), (60, 50), 24, 0.7)
    ours = F.grid_sample(given, grid, align_corners=False, padding_mode="border")
    theirs = align_face(picture, points, 24, 0.7).transpose(2, 0, 1) / 255
    assert float((ours[0] - torch.from_numpy(theirs)).abs().max()) < 0.02


def test_the_identity_loss_reaches_the_picture() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 40, 40, requires_grad=True)
    points = torch.tensor([[[12.0, 12], [24, 12], [18, 18], [13, 25], [23, 25]]]).expand(2, -1, -1)
    weight = torch.randn(5, 3 * 64)

    def embed(faces: torch.Tensor) -> torch.Tensor:
        return faces.flatten(1) @ weight.T

    faces = F.grid_sample(pictures, face_grids(points, (40, 40), 8, 1.0), align_corners=False, padding_mode="border")
    wanted = torch.randn(2, 5)
    a, b = embed(faces).detach().numpy(), wanted.numpy()
    cosines = [(a[i] @ b[i]) / np.linalg.norm(a[i]) / np.linalg.norm(b[i]) for i in range(2)]
    loss = id_loss(pictures, points, wanted, embed, 8, 1.0)
    assert float(loss.detach()) == pytest.approx(1 - np.mean(cosines), rel=1e-4)
    loss.backward()
    assert pictures.grad is not None
    assert pictures.grad[:, :, 12:20, 12:20].abs().sum() > 0
    assert float(id_loss(pictures, points, embed(faces).detach(), embed, 8, 1.0).detach()) == pytest.approx(0, abs=1e-5)
