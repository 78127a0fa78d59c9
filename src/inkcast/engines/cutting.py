"""Subjects cut out of references: what does it here, and what an author hears where nothing can."""

from __future__ import annotations

from importlib.util import find_spec

from inkcast.cast.character import Character
from inkcast.events import Note, Report
from inkcast.sdxl.backbone import Backbone
from inkcast.vision.detector import ToonDetector
from inkcast.vision.segment import RembgSegmenter, Segmenter, ToonSegmenter, cut_out, rembg_homes


def find_segmenter(base: Backbone) -> Segmenter | None:
    """The toon nets beside the base (detector/), else the first of rembg's models on this disk, else None."""
    if base.folder is not None and (base.folder / "detector").is_dir():
        return ToonSegmenter(ToonDetector(base.folder / "detector"))
    if find_spec("rembg") is None:
        return None
    homes = [home for home in rembg_homes() if home.is_dir()]
    found = (model for model in RembgSegmenter.models if any(next(home.rglob(f"{model}.onnx"), None) for home in homes))
    return next((RembgSegmenter(model) for model in found), None)


def uncut(name: str) -> Note:
    return Note(f"a reference of {name} was read with its background: give a mask, or a picture on plain ground")


def tell_uncut(report: Report, character: Character, segmenter: Segmenter | None) -> None:
    """Says so of a reference that nothing cuts out, so that its background is taken for the subject."""
    if any(cut_out(reference, segmenter).how == "whole picture" for reference in character.references):
        report(uncut(character.name))
