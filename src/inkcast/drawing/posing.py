"""The pose of a panel: a picture that somebody gave, as the map that a ControlNet follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from inkcast.errors import PictureError
from inkcast.files import shown
from inkcast.images import open_picture
from inkcast.sampling.control import Follow
from inkcast.sampling.controlnet import load_controlnet
from inkcast.sdxl.backbone import Backbone
from inkcast.vision.people import Mask2FormerPeople
from inkcast.vision.pose import PoseEyes, VitPose, is_pose_map

ADVICE = "give a pose map (OpenPose's coloured limbs on black)"


@dataclass(frozen=True)
class Poser:
    """Follows poses with the base's controlnet/; reads them off pictures of people with its people/ and pose/."""

    base: Backbone

    def check(self, picture: Path) -> None:
        """Raises what `follow` would raise for a picture, but for one that shows nobody."""
        self.base.part("controlnet")
        self._eyes_for(np.asarray(open_picture(picture).convert("RGB")), picture)

    def follow(self, picture: Path, size: tuple[int, int]) -> Follow:
        """The control for a panel of `size` (width, height), with the whole pose in it, its proportions kept.

        Raises:
            PictureError: the picture is no pose map and nobody's pose can be read off it.
            BaseModelError: the base brings no pose ControlNet.
        """
        given = open_picture(picture).convert("RGB")
        eyes = self._eyes_for(np.asarray(given), picture)
        if eyes is None:
            return Follow(self._net, fitted(given, size))
        found = eyes.map_of(np.asarray(given))
        if found is None:
            raise PictureError(f"nobody is seen in the pose {shown(picture)}: choose another picture, or {ADVICE}")
        return Follow(self._net, fitted(Image.fromarray(found), size))

    def _eyes_for(self, pixels: UInt8[np.ndarray, "h w 3"], picture: Path) -> PoseEyes | None:
        """None for a picture that is a pose map already."""
        if is_pose_map(pixels):
            return None
        if self._eyes is None:
            raise PictureError(
                f"the pose {shown(picture)} is a picture, and base {self.base.name!r} has nothing to read poses with "
                f"(people/ and pose/): {ADVICE}"
            )
        return self._eyes

    @cached_property
    def _net(self) -> Any:
        return load_controlnet(self.base.part("controlnet"), self.base.dtype)

    @cached_property
    def _eyes(self) -> PoseEyes | None:
        folder, device = self.base.folder, str(self.base.device)
        if folder is None or not all((folder / part).is_dir() for part in ("people", "pose")):
            return None
        return PoseEyes(
            Mask2FormerPeople(str(folder / "people"), device),
            VitPose(str(folder / "pose"), device),
        )


def fitted(pose: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The map at the size of a panel, its proportions kept, black around it."""
    scale = min(size[0] / pose.width, size[1] / pose.height)
    inner = max(1, round(pose.width * scale)), max(1, round(pose.height * scale))
    canvas = Image.new("RGB", size)
    smaller = pose.resize(inner, Image.Resampling.LANCZOS)
    canvas.paste(smaller, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return canvas
