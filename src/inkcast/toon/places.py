"""The twelve places, with their time of day and weather. Coordinates are fractions of the picture's side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inkcast.toon import indoors, outdoors
from inkcast.toon.canvas import RGB, Canvas, box, ellipse, mix, star
from inkcast.toon.light import SKY
from inkcast.toon.world import INDOOR, Scene

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
        sky = SKY[s.time]
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


def draw_place(canvas: Canvas, scene: Scene, rng: np.random.Generator, horizon: float) -> None:
    """Draw the scene's place, time and weather over the whole canvas. Indoors and the moon have no weather."""
    backdrop = Backdrop(canvas, scene, rng, horizon)
    under_sky = scene.place not in (*INDOOR, "moon")
    if under_sky:
        backdrop.sky()
    places: dict[str, Callable[[Backdrop], None]] = {
        "beach": outdoors.beach,
        "forest": outdoors.forest,
        "street": outdoors.street,
        "park": outdoors.park,
        "desert": outdoors.desert,
        "mountains": outdoors.mountains,
        "moon": outdoors.moon,
        "cave": indoors.cave,
        "kitchen": indoors.kitchen,
        "bedroom": indoors.bedroom,
        "library": indoors.library,
        "castle": indoors.castle,
    }
    places[scene.place](backdrop)
    if under_sky:
        backdrop.falling()
