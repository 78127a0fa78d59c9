"""The places under the sky, and the moon. Coordinates are fractions of the picture's side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inkcast.toon.canvas import box, ellipse, smooth, star

if TYPE_CHECKING:
    from inkcast.toon.places import Backdrop


def beach(at: Backdrop) -> None:
    h = at.horizon
    at.fill(box(0, h - 0.13, 1, h), (54, 142, 206))
    at.blobs(
        [ellipse((u, h - 0.07 + 0.04 * (k % 2)), 0.05, 0.008) for k, u in enumerate(np.linspace(0.08, 0.95, 6))],
        (206, 236, 250),
    )
    at.ground((246, 222, 156))
    u = float(at.rng.choice((0.1, 0.88)))
    at.fill(
        smooth(
            [
                (u - 0.02, h + 0.16),
                (u - 0.01, h - 0.2),
                (u + 0.03, h - 0.42),
                (u + 0.05, h - 0.42),
                (u + 0.03, h - 0.15),
                (u + 0.03, h + 0.16),
            ]
        ),
        (164, 112, 66),
    )
    fronds = [
        ellipse((u + 0.04 + 0.09 * math.cos(a), h - 0.43 + 0.05 * math.sin(a)), 0.11, 0.03, a)
        for a in (0.35, -0.35, 2.8, 3.5, -1.4)
    ]
    at.blobs(fronds, (64, 160, 78))


def forest(at: Backdrop) -> None:
    h = at.horizon
    at.fill(box(0, h - 0.22, 1, h), (58, 118, 76))
    at.ground((104, 158, 76))
    for k, u in enumerate(np.linspace(0.02, 0.98, 6) + at.rng.uniform(-0.04, 0.04, 6)):
        base = h + 0.03 * (k % 2)
        at.fill(box(u - 0.025, base - 0.2, u + 0.025, base + 0.05), (112, 74, 48))
        for j in range(3):
            y = base - 0.12 - 0.13 * j
            at.fill(
                np.array([(u - 0.12 + 0.02 * j, y), (u, y - 0.2), (u + 0.12 - 0.02 * j, y)]),
                (34, 104 + 14 * (k % 2), 64),
            )


def street(at: Backdrop) -> None:
    h = at.horizon
    tones = ((206, 108, 84), (226, 184, 120), (122, 148, 178), (190, 140, 160), (150, 170, 130))
    for k, u in enumerate(np.linspace(-0.05, 0.83, 5)):
        top = h - float(at.rng.uniform(0.3, 0.5))
        at.fill(box(u, top, u + 0.2, h), tones[k])
        glass = (255, 228, 128) if at.scene.time == "night" else (200, 230, 246)
        at.blobs(
            [box(u + a, top + b, u + a + 0.045, top + b + 0.06) for a in (0.035, 0.12) for b in (0.05, 0.15)],
            glass,
            raw=True,
        )
    at.ground((112, 114, 124))
    at.fill(box(0, h, 1, h + 0.045), (186, 186, 190))
    at.blobs([box(u, h + 0.17, u + 0.13, h + 0.195) for u in (0.02, 0.3, 0.58, 0.86)], (246, 240, 214))


def park(at: Backdrop) -> None:
    h = at.horizon
    at.fill(
        smooth([(-0.2, h + 0.02), (0.2, h - 0.1), (0.6, h - 0.03), (1.2, h - 0.1), (1.2, h + 0.1), (-0.2, h + 0.1)]),
        (120, 190, 96),
    )
    at.ground((138, 206, 98))
    for u in (0.12, 0.86):
        u += float(at.rng.uniform(-0.05, 0.05))
        at.fill(box(u - 0.022, h - 0.15, u + 0.022, h + 0.05), (138, 92, 56))
        at.blobs(
            [
                ellipse((u - 0.06, h - 0.2), 0.085, 0.08),
                ellipse((u + 0.06, h - 0.2), 0.085, 0.08),
                ellipse((u, h - 0.28), 0.09, 0.08),
            ],
            (76, 170, 80),
        )
    at.fill(np.array([(0.46, h), (0.54, h), (0.75, 1.0), (0.25, 1.0)]), (232, 206, 156))
    at.fill(box(0.34, h - 0.06, 0.6, h - 0.035), (170, 100, 56))
    at.blobs([box(0.36, h - 0.035, 0.38, h + 0.02), box(0.56, h - 0.035, 0.58, h + 0.02)], (90, 70, 60))


def desert(at: Backdrop) -> None:
    h = at.horizon
    at.fill(
        smooth(
            [
                (-0.2, h),
                (0.1, h - 0.14),
                (0.4, h - 0.02),
                (0.75, h - 0.18),
                (1.2, h),
                (1.2, h + 0.1),
                (-0.2, h + 0.1),
            ]
        ),
        (222, 160, 84),
    )
    at.ground((240, 188, 104))
    for u in (0.1, 0.9):
        u += float(at.rng.uniform(-0.04, 0.04))
        at.blobs(
            [
                box(u - 0.025, h - 0.24, u + 0.025, h + 0.04),
                ellipse((u, h - 0.24), 0.025, 0.025),
                box(u - 0.09, h - 0.13, u, h - 0.1),
                box(u - 0.09, h - 0.2, u - 0.06, h - 0.1),
                box(u, h - 0.09, u + 0.09, h - 0.06),
                box(u + 0.06, h - 0.17, u + 0.09, h - 0.06),
            ],
            (64, 146, 84),
        )


def mountains(at: Backdrop) -> None:
    h = at.horizon
    for u, w, top in ((0.18, 0.34, 0.44), (0.8, 0.36, 0.48), (0.5, 0.3, 0.34)):
        peak = h - top + float(at.rng.uniform(-0.03, 0.03))
        at.fill(np.array([(u - w, h + 0.02), (u, peak), (u + w, h + 0.02)]), (112, 122, 156))
        at.fill(
            np.array(
                [
                    (u - w * 0.3, peak + top * 0.3),
                    (u, peak),
                    (u + w * 0.3, peak + top * 0.3),
                    (u + w * 0.1, peak + top * 0.22),
                    (u - w * 0.08, peak + top * 0.34),
                ]
            ),
            (250, 252, 255),
        )
    at.ground((134, 166, 116))
    at.blobs([ellipse((u, h + 0.12), 0.05, 0.03) for u in (0.08, 0.9)], (150, 150, 158))


def moon(at: Backdrop) -> None:
    h, rng = at.horizon, at.rng
    at.fill(box(0, 0, 1, h + 0.01), (14, 14, 34), raw=True)
    at.blobs([star((u, v), 0.013, 4) for u, v in rng.uniform((0, 0), (1, h), (22, 2))], (255, 252, 226), raw=True)
    u = float(rng.uniform(0.15, 0.85))
    at.fill(ellipse((u, 0.16), 0.1, 0.1), (70, 138, 220), raw=True)
    at.blobs([ellipse((u - 0.03, 0.14), 0.04, 0.03), ellipse((u + 0.04, 0.2), 0.035, 0.025)], (86, 176, 96), raw=True)
    at.fill(box(0, h, 1, 1), (186, 186, 194), raw=True)
    craters = rng.uniform((0, h + 0.05, 0.03), (1, 0.98, 0.08), (7, 3))
    at.blobs([ellipse((a, b), r, r * 0.36) for a, b, r in craters], (146, 146, 158), raw=True)
