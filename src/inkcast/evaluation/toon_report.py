"""The toon base's figures as a page of Markdown, and its pictures as grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import UInt8

from inkcast.toon.renderer import reference_sheet
from inkcast.toon.world import Subject

TARGETS = {"place": 0.95, "action": 0.9, "kind": 0.95, "described colors": 0.9, "number of characters": 0.9}


def grid(pictures: UInt8[np.ndarray, "n h w 3"], columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """Pictures in rows of `columns`, the last row filled up with white."""
    missing = np.full((-len(pictures) % columns, *pictures.shape[1:]), 255, dtype=np.uint8)
    return rearrange(np.concatenate([pictures, missing]), "(r c) h w d -> (r h) (c w) d", c=columns)


def with_references(
    casts: Sequence[Sequence[Subject]], pictures: UInt8[np.ndarray, "n h w 3"], side: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Each picture under its cast's references, side by side."""
    width = max(pictures.shape[2], side * max(len(cast) for cast in casts))
    columns = []
    for cast, picture in zip(casts, pictures, strict=True):
        column = np.full((side + picture.shape[0], width, 3), 255, dtype=np.uint8)
        for k, subject in enumerate(cast):
            column[:side, k * side : (k + 1) * side] = reference_sheet(subject, side).image
        column[side:, : picture.shape[1]] = picture
        columns.append(column)
    return np.concatenate(columns, axis=1)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def between(estimate: Mapping[str, float]) -> str:
    """The mean alone where there was one case only."""
    if math.isnan(estimate["low"]):
        return f"{estimate['mean']:.3f}"
    return f"{estimate['mean']:.3f} ({estimate['low']:.3f}–{estimate['high']:.3f})"


def markdown(figures: Mapping[str, Any]) -> str:
    """All tables, in the order in which they were measured."""
    sections = (oracle_section, eyes_section, words_section, looks_section, told_section)
    return "\n".join(section(figures) for section in sections)


def oracle_section(figures: Mapping[str, Any]) -> str:
    rows = []
    for name, row in figures["oracle"].items():
        if row["count"]:
            decoded = figures["oracle_decoded"][name]["right"]
            rows.append(
                [name, *(f"{value:.3f}" for value in (row["right"], decoded, row["chance"])), str(row["count"])]
            )
    head = ["question", "unseen renders", "decoded by the autoencoder", "most common answer", "asked"]
    return f"## What the oracle reads\n\n{table(head, rows)}"


def eyes_section(figures: Mapping[str, Any]) -> str:
    detector = figures["detector"]
    faces = (("face encoder", figures["face"]), ("judge of faces", figures["face_judge"]))
    rows = [
        ["autoencoder, PSNR on unseen renders", f"{figures['vae_psnr']:.2f} dB"],
        ["detector, precision / recall", f"{detector['precision']:.3f} / {detector['recall']:.3f}"],
        ["faces, precision / recall", f"{detector['face_precision']:.3f} / {detector['face_recall']:.3f}"],
        ["face points, mean error in face sides", f"{detector['point_error']:.3f}"],
        ["foreground, intersection over union", f"{detector['mask_iou']:.3f}"],
        *(
            [f"{name}, same or another: accuracy / area under the curve", f"{one['accuracy']:.3f} / {one['area']:.3f}"]
            for name, one in faces
        ),
        *(
            [f"{title}, own reference found among {figures[name]['count']}", f"{figures[name]['right']:.3f}"]
            for name, title in (("image_encoder", "CLIP vision tower"), ("judge", "judge"))
        ),
    ]
    return f"## The other parts\n\n{table(['part', 'reached'], rows)}"


def words_section(figures: Mapping[str, Any]) -> str:
    rows = [
        [name, between(value), f"{TARGETS[name]:.2f}" if name in TARGETS else "", str(value["count"])]
        for name, value in figures["words"].items()
    ]
    pace = f"{figures['seconds']['per picture']:.2f} s a picture."
    title = f"## Words alone: {figures['plan']['prompts']} prompts, {figures['plan']['batching']['steps']} steps"
    return f"{title}\n\n{table(['question', 'right', 'target', 'asked'], rows)}\n{pace}\n"


def looks_section(figures: Mapping[str, Any]) -> str:
    rows = [
        [
            row["engine"],
            str(row["people"]),
            between(row["accuracy"]),
            between(row["swap"]) if row["people"] > 1 else "",
            f"{row['found']:.3f}",
            f"{row['place']['mean']:.3f}",
            f"{row['action']['mean']:.3f}",
        ]
        for row in figures["looks"]
    ]
    head = ["engine", "people", "looks (95 %)", "swapped (95 %)", "found", "place", "action"]
    guesses = figures["looks_chance"]
    names = [f"{row['engine']}, {row['people']}" for row in figures["looks"]]
    each = [
        [name, f"{guess:.3f}", *(f"{row['per_attribute'][name]:.3f}" for row in figures["looks"])]
        for name, guess in guesses.items()
    ]
    return f"## Looks of unseen characters\n\n{table(head, rows)}\n{table(['attribute', 'chance', *names], each)}"


def told_section(figures: Mapping[str, Any]) -> str:
    """What the base makes of looks in words, beside what the oracle still reads of them behind the autoencoder."""
    guesses, decoded = figures["looks_chance"], figures["oracle_decoded"]
    rows = [
        [
            row["attribute"],
            str(row["people"]),
            between(row["right"]),
            between(row["swapped"]) if row["people"] > 1 else "",
            f"{guesses[row['attribute']]:.3f}",
            f"{decoded[row['attribute']]['right']:.3f}" if decoded[row["attribute"]]["count"] else "",
            str(row["right"]["count"]),
        ]
        for row in figures["told"]
    ]
    head = ["attribute", "people", "as told (95 %)", "another's (95 %)", "chance", "decoded renders", "pictures"]
    return f"## Looks told in words, one at a time\n\n{table(head, rows)}"
