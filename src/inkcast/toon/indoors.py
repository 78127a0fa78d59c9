"""The places with a roof. Coordinates are fractions of the picture's side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inkcast.toon.canvas import RGB, box, ellipse, mix, smooth, star
from inkcast.toon.light import SKY

if TYPE_CHECKING:
    from inkcast.toon.places import Backdrop


def _room(at: Backdrop, wall: RGB, floor: RGB, window: bool = True) -> None:
    h = at.horizon
    at.fill(box(0, 0, 1, h + 0.01), wall)
    at.fill(box(0, h, 1, 1), floor)
    at.fill(box(0, h - 0.02, 1, h + 0.012), mix(floor, (40, 24, 20), 0.35))
    if window:
        u = float(at.rng.choice((0.14, 0.72)))
        at.fill(box(u, 0.1, u + 0.2, 0.33), (252, 248, 240))
        at.blobs(
            [box(u + a, b, u + a + 0.08, b + 0.095) for a in (0.015, 0.105) for b in (0.115, 0.222)],
            SKY[at.scene.time],
            raw=True,
        )


def kitchen(at: Backdrop) -> None:
    h = at.horizon
    _room(at, (250, 236, 196), (216, 160, 110))
    at.blobs(
        [
            box(u, v, u + 0.1, v + 0.1)
            for i, u in enumerate(np.arange(0, 1, 0.1))
            for j, v in enumerate(np.arange(h, 1, 0.1))
            if (i + j) % 2
        ],
        (244, 240, 232),
    )
    at.fill(box(0.0, h - 0.2, 0.3, h + 0.03), (104, 168, 172))
    at.fill(box(0.0, h - 0.23, 0.32, h - 0.19), (244, 244, 240))
    at.fill(box(0.82, h - 0.42, 1.0, h + 0.04), (236, 240, 246))
    at.blobs([box(0.84, h - 0.3, 0.855, h - 0.2), box(0.84, h - 0.14, 0.855, h - 0.06)], (120, 124, 132))
    at.fill(smooth([(0.1, h - 0.23), (0.11, h - 0.31), (0.21, h - 0.31), (0.22, h - 0.23)]), (214, 74, 62))


def bedroom(at: Backdrop) -> None:
    h = at.horizon
    _room(at, (206, 196, 240), (198, 154, 122))
    at.fill(box(0.5, h - 0.2, 1.0, h + 0.08), (156, 100, 66))
    at.fill(smooth([(0.46, h - 0.1), (1.05, h - 0.1), (1.05, h + 0.05), (0.46, h + 0.05)]), (96, 132, 214))
    at.fill(ellipse((0.9, h - 0.12), 0.1, 0.05), (252, 250, 246))
    at.fill(ellipse((0.35, h + 0.16), 0.3, 0.06), (236, 150, 172))
    at.fill(np.array([(0.05, h - 0.16), (0.09, h - 0.3), (0.17, h - 0.3), (0.21, h - 0.16)]), (255, 226, 150), raw=True)
    at.fill(box(0.12, h - 0.16, 0.14, h + 0.02), (110, 80, 60))


def library(at: Backdrop) -> None:
    h = at.horizon
    _room(at, (150, 104, 70), (120, 76, 54), window=False)
    tones = ((196, 60, 56), (60, 112, 180), (76, 148, 92), (236, 188, 84), (140, 84, 160))
    for row in range(4):
        y = h - 0.05 - 0.145 * row
        at.fill(box(0, y - 0.13, 1, y), (84, 54, 38))
        widths = at.rng.uniform(0.03, 0.055, 24)
        left = np.cumsum(widths) - widths
        for tone in range(5):
            books = [
                box(u, y - 0.118 + 0.02 * (k % 3 == 0), u + w * 0.9, y - 0.008)
                for k, (u, w) in enumerate(zip(left, widths, strict=True))
                if k % 5 == tone and u < 1
            ]
            at.blobs(books, tones[tone])


def castle(at: Backdrop) -> None:
    h = at.horizon
    _room(at, (168, 168, 182), (128, 120, 130), window=False)
    bricks = [
        box(u + 0.09 * (j % 2), v, u + 0.085 + 0.09 * (j % 2), v + 0.045)
        for j, v in enumerate(np.arange(0.03, h - 0.04, 0.11))
        for u in np.arange(-0.05, 1, 0.18)
    ]
    at.blobs(bricks, (150, 150, 166))
    at.fill(smooth([(0.4, 0.36), (0.4, 0.16), (0.5, 0.07), (0.6, 0.16), (0.6, 0.36)]), SKY[at.scene.time], raw=True)
    for u in (0.14, 0.78):
        at.fill(np.array([(u, 0.04), (u + 0.12, 0.04), (u + 0.12, 0.36), (u + 0.06, 0.29), (u, 0.36)]), (184, 40, 60))
        at.fill(star((u + 0.06, 0.16), 0.04), (248, 206, 84))
    at.fill(np.array([(0.38, h), (0.62, h), (0.85, 1), (0.15, 1)]), (176, 44, 62))


def cave(at: Backdrop) -> None:
    h = at.horizon
    at.fill(box(0, 0, 1, 1), (66, 56, 72))
    at.fill(
        smooth([(0.14, h + 0.03), (0.1, 0.3), (0.32, 0.1), (0.68, 0.1), (0.9, 0.3), (0.86, h + 0.03)]),
        (98, 84, 104),
    )
    at.blobs(
        [
            np.array([(u - 0.05, -0.01), (u + 0.05, -0.01), (u, v)])
            for u, v in zip((0.08, 0.28, 0.5, 0.72, 0.93), at.rng.uniform(0.1, 0.26, 5), strict=True)
        ],
        (50, 42, 56),
    )
    at.fill(box(0, h, 1, 1), (110, 92, 98))
    for u, color in ((0.1, (110, 226, 232)), (0.9, (214, 130, 240))):
        at.blobs(
            [
                np.array([(u + d - 0.03, h + 0.03), (u + d * 1.5, h - 0.11 + 0.05 * abs(k)), (u + d + 0.03, h + 0.03)])
                for k, d in ((-1, -0.05), (0, 0.0), (1, 0.05))
            ],
            color,
            raw=True,
        )
