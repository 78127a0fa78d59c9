"""What a build knows of a picture beyond its source: which models find masks, faces, people, poses and captions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from inkcast.assets import toon_weights
from inkcast.errors import UsageError
from inkcast.training.data.captioner import Captioner, Qwen2VLCaptioner
from inkcast.vision.detector import ToonDetector
from inkcast.vision.face import FaceReader, InsightFaces, ToonFaces
from inkcast.vision.people import Mask2FormerPeople, PeopleFinder, ToonPeople
from inkcast.vision.pose import PoseReader, VitPose
from inkcast.vision.segment import RembgSegmenter, Segmenter, ToonSegmenter

TOON = "toon"
REMBG = "rembg:"


@dataclass(frozen=True)
class Tools:
    """None: that is not looked for, and stays as the source has it."""

    segmenter: Segmenter | None = None
    faces: FaceReader | None = None
    people: PeopleFinder | None = None
    poses: PoseReader | None = None
    captioner: Captioner | None = None


class ToolBox(Hashable, Protocol):
    """Makes the tools where the work is: hashable and picklable, so that each worker process loads them once."""

    def load(self) -> Tools: ...


@dataclass(frozen=True)
class ToolChoice:
    """Tools by name; empty means none, "toon" the embedded nets for drawn pictures.

    `segmenter`: "toon" or "rembg:MODEL". `faces`: "toon" or the folder of an insightface pack. `people`: "toon" or a
    Mask2Former, `poses`: a ViTPose, `captions`: a Qwen2-VL, each as a folder or hub id. `device` as torch names it.
    """

    segmenter: str = ""
    faces: str = ""
    people: str = ""
    poses: str = ""
    captions: str = ""
    device: str = field(default="cpu", repr=False)  # the plan's digest is over repr: where it runs is no part of it

    def load(self) -> Tools:
        """Raises `UsageError` for an unknown segmenter, `BaseModelError` or `MissingExtraError` for what is absent."""
        return Tools(
            segmenter=self._segmenter(),
            faces=self._faces(),
            people=self._people(),
            poses=VitPose(self.poses, self.device) if self.poses else None,
            captioner=Qwen2VLCaptioner(self.captions, self.device) if self.captions else None,
        )

    def _segmenter(self) -> Segmenter | None:
        if not self.segmenter:
            return None
        if self.segmenter == TOON:
            return ToonSegmenter(_detector())
        if self.segmenter.startswith(REMBG):
            return RembgSegmenter(self.segmenter.removeprefix(REMBG))
        raise UsageError(f"unknown segmenter '{self.segmenter}': use toon or {REMBG}{RembgSegmenter.models[0]}")

    def _faces(self) -> FaceReader | None:
        if self.faces == TOON:
            return ToonFaces(_detector(), toon_weights() / "face")
        return InsightFaces(Path(self.faces)) if self.faces else None

    def _people(self) -> PeopleFinder | None:
        if self.people == TOON:
            return ToonPeople(_detector())
        return Mask2FormerPeople(self.people, self.device) if self.people else None


def _detector() -> ToonDetector:
    return ToonDetector(toon_weights() / "detector")
