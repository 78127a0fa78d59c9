"""What each metric is called, means, and which way is better: one line each, for tables and figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """`better` is +1 where more is better, -1 where less is, 0 where it depends."""

    title: str
    about: str
    better: int = 1


METRICS = {
    "looks": Metric("looks", "share of attributes that the oracle reads right, kind left out; a missing person is 0"),
    "face_looks": Metric("face", "`looks` of skin, face shape, eyes and hair alone"),
    "swap_rate": Metric("swapped", "of attributes in which two references differ, those read as the other's", -1),
    "found": Metric("people found", "share of the cast that the detector finds"),
    "place": Metric("place", "the oracle reads the place of the prompt"),
    "action": Metric("action", "the oracle sees the action of the prompt"),
    "pose_copied": Metric(
        "stands as the reference", "share of the cast that just stands where another action is asked", -1
    ),
    "face_sim": Metric("Face Sim", "cosine of face vectors, 0 without a face; several people: the least matched one"),
    "face_found": Metric("faces found", "share of expected faces that are there"),
    "clip_t": Metric("CLIP-T", "cosine of picture and prompt"),
    "clip_i": Metric("CLIP-I", "cosine of picture and reference pictures"),
    "dino": Metric("DINO", "cosine of picture and reference pictures, by DINO (on toon by the judge)"),
    "likeness": Metric("likeness", "cosine of each person and the own reference, cut out; a missing person is 0"),
    "likeness_least": Metric("least likeness", "the least of these in a picture"),
    "swap_score": Metric("own - other", "likeness to the own reference less that to the nearest other one"),
    "occm": Metric("OCCM", "100 exp(-|found - expected| / expected) people"),
    "copy_paste": Metric("copy-paste", "0.5: no closer to the reference than to its mirror image; 1: a copy", 0),
    "cids_cross": Metric("CIDS cross", "a story's people against their references"),
    "cids_self": Metric("CIDS self", "a story's people against each other"),
}


def title(name: str) -> str:
    return METRICS[name].title if name in METRICS else name.rpartition(".")[2].replace("_", " ")


def arrow(name: str) -> str:
    """Which way is better, as tables show it."""
    better = METRICS[name].better if name in METRICS else 1
    return {1: " ↑", -1: " ↓", 0: ""}[better]
