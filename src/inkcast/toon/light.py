"""The colour of the sky, which every window shows too."""

from __future__ import annotations

SKY = {"day": (150, 212, 246), "sunset": (250, 168, 112), "night": (34, 42, 92)}
