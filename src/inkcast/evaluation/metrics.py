"""The field's metrics, exactly: each from unit vectors or similarities, with its source. Nothing here loads a model.

Vectors are rows of length 1. A similarity matrix has a row per reference and a column per person found in the picture.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment

Pairs = tuple[tuple[int, int], ...]  # (reference, found), by reference


def cosines(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """cos(a_i, b_j) = a_i . b_j / (|a_i| |b_j|); 0 for a vector without length."""
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    return np.divide(a @ b.T, lengths, out=np.zeros(lengths.shape), where=lengths > 0)


def face_similarity(faces: Float[np.ndarray, "found d"], reference: Float[np.ndarray, " d"]) -> float:
    """Face Sim of one character: max(cos(first face, reference), 0), and 0 for a picture without a face.

    FastComposer's protocol (Xiao et al. 2023, arXiv 2305.10431, and its published evaluation): averaged over all
    pictures, so that a missing face costs. `faces` come largest first. StoryMaker's (arXiv 2409.12576, section 5.1) is
    the same with buffalo_l; the detection rate stands apart.
    """
    return max(float(cosines(faces[:1], reference[None])[0, 0]), 0.0) if len(faces) else 0.0


def mean_similarity(picture: Float[np.ndarray, " d"], references: Float[np.ndarray, "n d"]) -> float:
    """CLIP-I and DINO: the mean over references of cos(picture, reference), each by that encoder's vectors.

    DreamBooth (Ruiz et al. 2023, arXiv 2208.12242, section 4.2): the average over generated and real pairs.
    """
    return float(cosines(picture[None], references).mean())


def text_similarity(picture: Float[np.ndarray, " d"], text: Float[np.ndarray, " d"]) -> float:
    """CLIP-T: cos(CLIP image vector, CLIP text vector of the prompt), neither scaled nor clipped.

    Radford et al. 2021 by way of DreamBooth (arXiv 2208.12242, section 4.2). StoryMaker prints it times 100.
    """
    return float(cosines(picture[None], text[None])[0, 0])


def greedy_pairs(similarity: Float[np.ndarray, "references found"]) -> Pairs:
    """The most similar pair first, then the most similar of the rest; every reference and person at most once.

    FastComposer's matching of several people (arXiv 2305.10431, its published evaluation).
    """
    left = np.array(similarity, dtype=np.float64)
    pairs = []
    for _ in range(min(left.shape)):
        reference, found = divmod(int(left.argmax()), left.shape[1])
        pairs.append((reference, found))
        left[reference, :] = left[:, found] = -np.inf
    return tuple(sorted(pairs))


def best_pairs(similarity: Float[np.ndarray, "references found"]) -> Pairs:
    """The assignment with the greatest sum (Kuhn 1955, "The Hungarian method"), as ViStoryBench's paper matches."""
    rows, columns = linear_sum_assignment(-np.asarray(similarity, dtype=np.float64))
    return tuple(zip(rows.tolist(), columns.tolist(), strict=True))


def own_similarities(similarity: Float[np.ndarray, "references found"], pairs: Pairs) -> list[float]:
    """Each reference's similarity to the person matched to it; 0 where nobody is left."""
    matched = dict(pairs)
    return [float(similarity[k, matched[k]]) if k in matched else 0.0 for k in range(len(similarity))]


def least_matched(similarity: Float[np.ndarray, "references found"]) -> float:
    """Face Sim of several characters: the least own similarity after greedy matching, not below 0.

    FastComposer (arXiv 2305.10431, section 5.1): min over matched pairs, so that one lost identity costs all. A missing
    person counts as 0 (its published code compares with a black picture instead).
    """
    return min(matched_faces(similarity))


def matched_faces(similarity: Float[np.ndarray, "references found"]) -> list[float]:
    """Each character's own similarity after greedy matching, not below 0: `least_matched` is the least of these."""
    return [max(one, 0.0) for one in own_similarities(similarity, greedy_pairs(similarity))]


def swap_score(similarity: Float[np.ndarray, "references found"], pairs: Pairs) -> float:
    """The mean over matched people of s(own reference) - max over others s(another's reference).

    Above 0 people look like themselves; near 0 looks are blended; below 0 they are swapped, which only a matching by
    something else than `similarity` itself (place, order, attributes) can show. NaN with fewer than two references or
    nobody matched. This project's own metric.
    """
    if len(similarity) < 2 or not pairs:
        return math.nan
    return float(np.mean([similarity[k, found] - np.delete(similarity[:, found], k).max() for k, found in pairs]))


def occm(found: int, expected: int, eps: float = 1e-6) -> float:
    """On-stage character count matching: 100 exp(-|D - E| / (eps + E)), D found and E expected.

    ViStoryBench (arXiv 2505.24862), section on metrics.
    """
    return 100.0 * math.exp(-abs(found - expected) / (eps + expected))


def copy_paste(to_reference: float, to_mirrored: float, temperature: float = 0.01) -> float:
    """softmax([s(reference), s(mirrored reference)] / temperature)[0]: 0.5 where neither is closer, 1 for a copy.

    ViStoryBench (arXiv 2505.24862): a picture that keeps the reference's very orientation was pasted, not drawn.
    """
    return 1.0 / (1.0 + math.exp(min((to_mirrored - to_reference) / temperature, 700.0)))


def cross_similarity(drawn: Float[np.ndarray, "n d"], references: Float[np.ndarray, "m d"]) -> float:
    """CIDS, cross: the mean of cos(drawn_i, reference_j) over all pairs of one character; NaN if never found.

    ViStoryBench (arXiv 2505.24862), character identification similarity.
    """
    return float(cosines(drawn, references).mean()) if len(drawn) else math.nan


def self_similarity(drawn: Float[np.ndarray, "n d"]) -> float:
    """CIDS, self: the mean of cos(drawn_i, drawn_j) over i < j of one character in one story.

    NaN with fewer than two pictures (ViStoryBench's code says 1 there, which rewards drawing somebody only once).
    """
    upper = cosines(drawn, drawn)[np.triu_indices(len(drawn), 1)]
    return float(upper.mean()) if len(upper) else math.nan


def mask_iou(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    """|a and b| / |a or b|; NaN if both are empty."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else math.nan


def routing_iou(
    maps: Float[np.ndarray, "subjects_and_background h w"], masks: Bool[np.ndarray, "subjects h w"]
) -> list[float]:
    """For each subject the IoU of where it wins the routing map (arg max, AnyStory under eq. 5) and its true mask.

    `masks` have the map's resolution; NaN where a subject neither wins a pixel nor has one.
    """
    winner = np.asarray(maps).argmax(0)
    return [mask_iou(winner == subject, mask) for subject, mask in enumerate(np.asarray(masks, dtype=bool))]
