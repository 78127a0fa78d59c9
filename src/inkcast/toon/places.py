"""The twelve places, with their time of day and weather. Coordinates are fractions of the picture's side."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from inkcast.toon.canvas import RGB, Canvas, box, ellipse, mix, smooth, star
from inkcast.toon.world import INDOOR, Scene

_SKY = {"day": (150, 212, 246), "sunset": (250, 168, 112), "night": (34, 42, 92)}
_NIGHT, _DUSK = (24, 28, 70), (236, 116, 82)


class Backdrop:
    """Draws a place onto a canvas; `horizon` is where the ground begins (fraction from the top)."""

    def __init__(self, canvas: Canvas, scene: Scene, rng: np.random.Generator, horizon: float) -> None:
        self.canvas, self.scene, self.rng, self.horizon = canvas, scene, rng, horizon
        self.snowy = scene.weather == "snow"

    def lit(self, color: RGB) -> RGB:
        """`color` under this scene's light."""
        if self.scene.place in INDOOR and self.scene.place != "castle":
            return color if self.scene.time != "night" else mix(color, _NIGHT, 0.38)
        if self.scene.time == "night":
            return mix(color, _NIGHT, 0.55)
        return mix(color, _DUSK, 0.24) if self.scene.time == "sunset" else color

    def fill(self, polygon: np.ndarray, color: RGB, raw: bool = False) -> int:
        return self.canvas.fill(polygon * self.canvas.size, color if raw else self.lit(color))

    def blobs(self, polygons: list[np.ndarray], color: RGB, raw: bool = False) -> int:
        return self.canvas.fill_all([p * self.canvas.size for p in polygons], color if raw else self.lit(color))

    def ground(self, color: RGB) -> None:
        self.fill(box(0, self.horizon, 1, 1), mix(color, (250, 252, 255), 0.75) if self.snowy else color)

    def sky(self) -> None:
        s, h, rng = self.scene, self.horizon, self.rng
        sky = _SKY[s.time]
        if s.weather != "clear":
            sky = mix(sky, (132, 142, 158) if s.time != "night" else (50, 54, 74), 0.6)
        self.fill(box(0, 0, 1, h + 0.01), sky, raw=True)
        x = float(rng.uniform(0.1, 0.9))
        if s.weather == "clear":
            if s.time == "night":
                self.blobs(
                    [star((u, v), 0.014, 4) for u, v in rng.uniform((0, 0), (1, h * 0.8), (12, 2))],
                    (255, 250, 214),
                    raw=True,
                )
                self.fill(ellipse((x, 0.12), 0.065, 0.065), (252, 244, 206), raw=True)
                self.fill(ellipse((x + 0.03, 0.105), 0.055, 0.055), sky, raw=True)
            elif s.time == "sunset":
                self.fill(box(0, h * 0.62, 1, h + 0.01), mix(sky, (255, 214, 130), 0.6), raw=True)
                self.fill(ellipse((x, h * 0.80), 0.11, 0.11), (255, 226, 120), raw=True)
            else:
                self.fill(ellipse((x, 0.12), 0.075, 0.075), (255, 232, 112), raw=True)
                self._cloud(float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.08, 0.22)), (252, 253, 255))
        else:
            gray = (196, 202, 212) if s.time != "night" else (88, 94, 116)
            for u in (0.12, 0.5, 0.88):
                self._cloud(u + float(rng.uniform(-0.08, 0.08)), 0.07, gray)

    def _cloud(self, u: float, v: float, color: RGB) -> None:
        self.blobs(
            [
                ellipse((u - 0.08, v + 0.012), 0.07, 0.035),
                ellipse((u, v), 0.08, 0.055),
                ellipse((u + 0.085, v + 0.012), 0.07, 0.038),
            ],
            color,
            raw=True,
        )

    def falling(self) -> None:
        """Rain or snow, over the place and behind the actors."""
        rng = self.rng
        if self.scene.weather == "rain":
            drops = [
                np.array([(u, v), (u + 0.007, v), (u - 0.010, v + 0.065), (u - 0.017, v + 0.065)])
                for u, v in rng.uniform(0, 1, (34, 2))
            ]
            self.canvas.fill_all([d * self.canvas.size for d in drops], (188, 216, 246), self.canvas.group())
        elif self.scene.weather == "snow":
            self.blobs(
                [ellipse((u, v), r, r) for u, v, r in rng.uniform((0, 0, 0.007), (1, 1, 0.016), (34, 3))],
                (252, 253, 255),
                raw=True,
            )

    # --- outdoors ----------------------------------------------------------------------------------------------

    def beach(self) -> None:
        h = self.horizon
        self.fill(box(0, h - 0.13, 1, h), (54, 142, 206))
        self.blobs(
            [ellipse((u, h - 0.07 + 0.04 * (k % 2)), 0.05, 0.008) for k, u in enumerate(np.linspace(0.08, 0.95, 6))],
            (206, 236, 250),
        )
        self.ground((246, 222, 156))
        u = float(self.rng.choice((0.1, 0.88)))
        self.fill(
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
        self.blobs(fronds, (64, 160, 78))

    def forest(self) -> None:
        h = self.horizon
        self.fill(box(0, h - 0.22, 1, h), (58, 118, 76))
        self.ground((104, 158, 76))
        for k, u in enumerate(np.linspace(0.02, 0.98, 6) + self.rng.uniform(-0.04, 0.04, 6)):
            base = h + 0.03 * (k % 2)
            self.fill(box(u - 0.025, base - 0.2, u + 0.025, base + 0.05), (112, 74, 48))
            for j in range(3):
                y = base - 0.12 - 0.13 * j
                self.fill(
                    np.array([(u - 0.12 + 0.02 * j, y), (u, y - 0.2), (u + 0.12 - 0.02 * j, y)]),
                    (34, 104 + 14 * (k % 2), 64),
                )

    def street(self) -> None:
        h = self.horizon
        tones = ((206, 108, 84), (226, 184, 120), (122, 148, 178), (190, 140, 160), (150, 170, 130))
        for k, u in enumerate(np.linspace(-0.05, 0.83, 5)):
            top = h - float(self.rng.uniform(0.3, 0.5))
            self.fill(box(u, top, u + 0.2, h), tones[k])
            glass = (255, 228, 128) if self.scene.time == "night" else (200, 230, 246)
            self.blobs(
                [box(u + a, top + b, u + a + 0.045, top + b + 0.06) for a in (0.035, 0.12) for b in (0.05, 0.15)],
                glass,
                raw=True,
            )
        self.ground((112, 114, 124))
        self.fill(box(0, h, 1, h + 0.045), (186, 186, 190))
        self.blobs([box(u, h + 0.17, u + 0.13, h + 0.195) for u in (0.02, 0.3, 0.58, 0.86)], (246, 240, 214))

    def park(self) -> None:
        h = self.horizon
        self.fill(
            smooth(
                [(-0.2, h + 0.02), (0.2, h - 0.1), (0.6, h - 0.03), (1.2, h - 0.1), (1.2, h + 0.1), (-0.2, h + 0.1)]
            ),
            (120, 190, 96),
        )
        self.ground((138, 206, 98))
        for u in (0.12, 0.86):
            u += float(self.rng.uniform(-0.05, 0.05))
            self.fill(box(u - 0.022, h - 0.15, u + 0.022, h + 0.05), (138, 92, 56))
            self.blobs(
                [
                    ellipse((u - 0.06, h - 0.2), 0.085, 0.08),
                    ellipse((u + 0.06, h - 0.2), 0.085, 0.08),
                    ellipse((u, h - 0.28), 0.09, 0.08),
                ],
                (76, 170, 80),
            )
        self.fill(np.array([(0.46, h), (0.54, h), (0.75, 1.0), (0.25, 1.0)]), (232, 206, 156))
        self.fill(box(0.34, h - 0.06, 0.6, h - 0.035), (170, 100, 56))
        self.blobs([box(0.36, h - 0.035, 0.38, h + 0.02), box(0.56, h - 0.035, 0.58, h + 0.02)], (90, 70, 60))

    def desert(self) -> None:
        h = self.horizon
        self.fill(
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
        self.ground((240, 188, 104))
        for u in (0.1, 0.9):
            u += float(self.rng.uniform(-0.04, 0.04))
            self.blobs(
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

    def mountains(self) -> None:
        h = self.horizon
        for u, w, top in ((0.18, 0.34, 0.44), (0.8, 0.36, 0.48), (0.5, 0.3, 0.34)):
            peak = h - top + float(self.rng.uniform(-0.03, 0.03))
            self.fill(np.array([(u - w, h + 0.02), (u, peak), (u + w, h + 0.02)]), (112, 122, 156))
            self.fill(
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
        self.ground((134, 166, 116))
        self.blobs([ellipse((u, h + 0.12), 0.05, 0.03) for u in (0.08, 0.9)], (150, 150, 158))

    def moon(self) -> None:
        h, rng = self.horizon, self.rng
        self.fill(box(0, 0, 1, h + 0.01), (14, 14, 34), raw=True)
        self.blobs([star((u, v), 0.013, 4) for u, v in rng.uniform((0, 0), (1, h), (22, 2))], (255, 252, 226), raw=True)
        u = float(rng.uniform(0.15, 0.85))
        self.fill(ellipse((u, 0.16), 0.1, 0.1), (70, 138, 220), raw=True)
        self.blobs(
            [ellipse((u - 0.03, 0.14), 0.04, 0.03), ellipse((u + 0.04, 0.2), 0.035, 0.025)], (86, 176, 96), raw=True
        )
        self.fill(box(0, h, 1, 1), (186, 186, 194), raw=True)
        craters = rng.uniform((0, h + 0.05, 0.03), (1, 0.98, 0.08), (7, 3))
        self.blobs([ellipse((a, b), r, r * 0.36) for a, b, r in craters], (146, 146, 158), raw=True)

    # --- indoors -----------------------------------------------------------------------------------------------

    def room(self, wall: RGB, floor: RGB, window: bool = True) -> None:
        h = self.horizon
        self.fill(box(0, 0, 1, h + 0.01), wall)
        self.fill(box(0, h, 1, 1), floor)
        self.fill(box(0, h - 0.02, 1, h + 0.012), mix(floor, (40, 24, 20), 0.35))
        if window:
            u = float(self.rng.choice((0.14, 0.72)))
            self.fill(box(u, 0.1, u + 0.2, 0.33), (252, 248, 240))
            self.blobs(
                [box(u + a, b, u + a + 0.08, b + 0.095) for a in (0.015, 0.105) for b in (0.115, 0.222)],
                _SKY[self.scene.time],
                raw=True,
            )

    def kitchen(self) -> None:
        h = self.horizon
        self.room((250, 236, 196), (216, 160, 110))
        self.blobs(
            [
                box(u, v, u + 0.1, v + 0.1)
                for i, u in enumerate(np.arange(0, 1, 0.1))
                for j, v in enumerate(np.arange(h, 1, 0.1))
                if (i + j) % 2
            ],
            (244, 240, 232),
        )
        self.fill(box(0.0, h - 0.2, 0.3, h + 0.03), (104, 168, 172))
        self.fill(box(0.0, h - 0.23, 0.32, h - 0.19), (244, 244, 240))
        self.fill(box(0.82, h - 0.42, 1.0, h + 0.04), (236, 240, 246))
        self.blobs([box(0.84, h - 0.3, 0.855, h - 0.2), box(0.84, h - 0.14, 0.855, h - 0.06)], (120, 124, 132))
        self.fill(smooth([(0.1, h - 0.23), (0.11, h - 0.31), (0.21, h - 0.31), (0.22, h - 0.23)]), (214, 74, 62))

    def bedroom(self) -> None:
        h = self.horizon
        self.room((206, 196, 240), (198, 154, 122))
        self.fill(box(0.5, h - 0.2, 1.0, h + 0.08), (156, 100, 66))
        self.fill(smooth([(0.46, h - 0.1), (1.05, h - 0.1), (1.05, h + 0.05), (0.46, h + 0.05)]), (96, 132, 214))
        self.fill(ellipse((0.9, h - 0.12), 0.1, 0.05), (252, 250, 246))
        self.fill(ellipse((0.35, h + 0.16), 0.3, 0.06), (236, 150, 172))
        self.fill(
            np.array([(0.05, h - 0.16), (0.09, h - 0.3), (0.17, h - 0.3), (0.21, h - 0.16)]), (255, 226, 150), raw=True
        )
        self.fill(box(0.12, h - 0.16, 0.14, h + 0.02), (110, 80, 60))

    def library(self) -> None:
        h = self.horizon
        self.room((150, 104, 70), (120, 76, 54), window=False)
        tones = ((196, 60, 56), (60, 112, 180), (76, 148, 92), (236, 188, 84), (140, 84, 160))
        for row in range(4):
            y = h - 0.05 - 0.145 * row
            self.fill(box(0, y - 0.13, 1, y), (84, 54, 38))
            widths = self.rng.uniform(0.03, 0.055, 24)
            left = np.cumsum(widths) - widths
            for tone in range(5):
                books = [
                    box(u, y - 0.118 + 0.02 * (k % 3 == 0), u + w * 0.9, y - 0.008)
                    for k, (u, w) in enumerate(zip(left, widths, strict=True))
                    if k % 5 == tone and u < 1
                ]
                self.blobs(books, tones[tone])

    def castle(self) -> None:
        h = self.horizon
        self.room((168, 168, 182), (128, 120, 130), window=False)
        bricks = [
            box(u + 0.09 * (j % 2), v, u + 0.085 + 0.09 * (j % 2), v + 0.045)
            for j, v in enumerate(np.arange(0.03, h - 0.04, 0.11))
            for u in np.arange(-0.05, 1, 0.18)
        ]
        self.blobs(bricks, (150, 150, 166))
        self.fill(
            smooth([(0.4, 0.36), (0.4, 0.16), (0.5, 0.07), (0.6, 0.16), (0.6, 0.36)]), _SKY[self.scene.time], raw=True
        )
        for u in (0.14, 0.78):
            self.fill(
                np.array([(u, 0.04), (u + 0.12, 0.04), (u + 0.12, 0.36), (u + 0.06, 0.29), (u, 0.36)]), (184, 40, 60)
            )
            self.fill(star((u + 0.06, 0.16), 0.04), (248, 206, 84))
        self.fill(np.array([(0.38, h), (0.62, h), (0.85, 1), (0.15, 1)]), (176, 44, 62))

    def cave(self) -> None:
        h = self.horizon
        self.fill(box(0, 0, 1, 1), (66, 56, 72))
        self.fill(
            smooth([(0.14, h + 0.03), (0.1, 0.3), (0.32, 0.1), (0.68, 0.1), (0.9, 0.3), (0.86, h + 0.03)]),
            (98, 84, 104),
        )
        self.blobs(
            [
                np.array([(u - 0.05, -0.01), (u + 0.05, -0.01), (u, v)])
                for u, v in zip((0.08, 0.28, 0.5, 0.72, 0.93), self.rng.uniform(0.1, 0.26, 5), strict=True)
            ],
            (50, 42, 56),
        )
        self.fill(box(0, h, 1, 1), (110, 92, 98))
        for u, color in ((0.1, (110, 226, 232)), (0.9, (214, 130, 240))):
            self.blobs(
                [
                    np.array(
                        [(u + d - 0.03, h + 0.03), (u + d * 1.5, h - 0.11 + 0.05 * abs(k)), (u + d + 0.03, h + 0.03)]
                    )
                    for k, d in ((-1, -0.05), (0, 0.0), (1, 0.05))
                ],
                color,
                raw=True,
            )


def draw_place(canvas: Canvas, scene: Scene, rng: np.random.Generator, horizon: float) -> None:
    """Draw the scene's place, time and weather over the whole canvas. Indoors and the moon have no weather."""
    backdrop = Backdrop(canvas, scene, rng, horizon)
    outdoors = scene.place not in (*INDOOR, "moon")
    if outdoors:
        backdrop.sky()
    places: dict[str, Callable[[], None]] = {
        "beach": backdrop.beach,
        "forest": backdrop.forest,
        "street": backdrop.street,
        "park": backdrop.park,
        "desert": backdrop.desert,
        "mountains": backdrop.mountains,
        "moon": backdrop.moon,
        "cave": backdrop.cave,
        "kitchen": backdrop.kitchen,
        "bedroom": backdrop.bedroom,
        "library": backdrop.library,
        "castle": backdrop.castle,
    }
    places[scene.place]()
    if outdoors:
        backdrop.falling()
