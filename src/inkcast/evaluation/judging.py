"""From a drawn picture to numbers: the metrics of `metrics.py`, with whatever judges are at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from PIL import Image

from inkcast.cast.character import Character
from inkcast.cast.identities import references_digest
from inkcast.evaluation.metrics import (
    best_pairs,
    copy_paste,
    cosines,
    face_similarity,
    matched_faces,
    mean_similarity,
    occm,
    own_similarities,
    swap_score,
    text_similarity,
)
from inkcast.evaluation.people import PeopleFinder, reference_crop
from inkcast.evaluation.similarity import WordEncoder, vectors
from inkcast.evaluation.suites import Commission, Picture, Seen
from inkcast.vision.clip import PictureEncoder
from inkcast.vision.face import FaceReader


@dataclass(frozen=True)
class Judges:
    """Who judges; what is None is not measured.

    `faces`: Face Sim. `words`: CLIP-T. `clip`, `dino`: CLIP-I and DINO on whole pictures. `people` with `looks`: all
    that is measured on people cut out of the picture, by an encoder that conditions no engine.
    """

    faces: FaceReader | None = None
    words: WordEncoder | None = None
    clip: PictureEncoder | None = None
    dino: PictureEncoder | None = None
    people: PeopleFinder | None = None
    looks: PictureEncoder | None = None


@dataclass(frozen=True)
class Portrait:
    """What the judges make of a character's references; None where a judge is missing or saw no face."""

    face: Float[np.ndarray, " d"] | None
    clip: Float[np.ndarray, "n d"] | None
    dino: Float[np.ndarray, "n d"] | None
    looks: Float[np.ndarray, "n d"] | None
    mirrored: Float[np.ndarray, " d"] | None


@dataclass
class JudgeScorer:
    """The scorer of every suite; portraits are made once per character."""

    judges: Judges
    portraits: dict[str, Portrait] = field(default_factory=dict)

    def load(self) -> None:
        """Shows every judge a blank picture; raises as they do where they cannot be loaded."""
        blank, judges = np.full((64, 64, 3), 255, np.uint8), self.judges
        if judges.words is not None:
            judges.words.embed_texts([""])
        for encoder in (judges.words, judges.clip, judges.dino, judges.looks):
            if encoder is not None:
                vectors(encoder, [blank])
        if judges.faces is not None:
            face_scores(judges.faces, blank, [np.ones(judges.faces.dim)])
        if judges.people is not None:
            judges.people.find(blank)

    def score(self, commissions: Sequence[Commission], pictures: Sequence[Picture]) -> list[Seen]:
        whole = self._whole(commissions, pictures)
        return [self._one(one, picture, own) for one, picture, own in zip(commissions, pictures, whole, strict=True)]

    def portrait(self, character: Character) -> Portrait:
        key = references_digest(character.references)
        if key not in self.portraits:
            self.portraits[key] = portrait_of(self.judges, character)
        return self.portraits[key]

    def _whole(self, commissions: Sequence[Commission], pictures: Sequence[Picture]) -> list[dict[str, float]]:
        """CLIP-T, CLIP-I and DINO: of whole pictures, against every reference of the whole cast."""
        scores: list[dict[str, float]] = [{} for _ in pictures]
        words = self.judges.words
        if words is not None:
            texts = words.embed_texts([one.words for one in commissions]).double().numpy()
            for row, (picture, text) in enumerate(zip(vectors(words, pictures), texts, strict=True)):
                scores[row]["clip_t"] = text_similarity(picture, text)
        for name, encoder in (("clip_i", self.judges.clip), ("dino", self.judges.dino)):
            if encoder is None:
                continue
            for row, picture in enumerate(vectors(encoder, pictures)):
                own = [getattr(self.portrait(one), name.removesuffix("_i")) for one in commissions[row].cast]
                if own:
                    scores[row][name] = float(np.mean([mean_similarity(picture, one) for one in own]))
        return scores

    def _one(self, commission: Commission, picture: Picture, whole: Mapping[str, float]) -> Seen:
        portraits = [self.portrait(one) for one in commission.cast]
        scores = dict(whole)
        faces: list[dict[str, float]] = [{} for _ in portraits]
        if self.judges.faces is not None and portraits:
            more, faces = face_scores(self.judges.faces, picture, [portrait.face for portrait in portraits])
            scores |= more
        names = [one.id for one in commission.cast]
        if self.judges.people is None or self.judges.looks is None:
            return Seen(scores, members=dict(zip(names, faces, strict=True)))
        crops = self.judges.people.find(picture)
        found = vectors(self.judges.looks, crops) if crops else np.zeros((0, 1))
        looks = looks_scores(found, portraits)
        known = zip(names, portraits, strict=True)
        return Seen(
            {**scores, **looks.scores},
            {names[k]: found[column] for k, column in looks.matched.items()},
            {name: portrait.looks for name, portrait in known if portrait.looks is not None},
            {name: {**face, **own} for name, face, own in zip(names, faces, looks.members, strict=True)},
        )


def face_scores(
    faces: FaceReader, picture: Picture, references: Sequence[Float[np.ndarray, " d"] | None]
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """`face_sim` (several people: the least matched one) and `face_found`, the share of expected faces that are there;
    and each member's own `face_sim`.

    A picture whose references show no face is not asked.
    """
    if any(reference is None for reference in references):
        return {"face_sim": math.nan, "face_found": math.nan}, [{"face_sim": math.nan} for _ in references]
    seen = [face.embedding for face in faces.read(picture)]
    found = np.stack(seen) if seen else np.zeros((0, faces.dim))
    known = np.stack([reference for reference in references if reference is not None])
    own = [face_similarity(found, known[0])] if len(known) == 1 else matched_faces(cosines(known, found))
    there = min(len(found), len(known)) / len(known)
    return {"face_sim": min(own), "face_found": there}, [{"face_sim": one} for one in own]


@dataclass(frozen=True)
class LooksSeen:
    """What people cut out of a picture say: of the picture, of each member, and who was matched (member -> person)."""

    scores: Mapping[str, float]
    members: Sequence[Mapping[str, float]]
    matched: Mapping[int, int]


def looks_scores(found: Float[np.ndarray, "found d"], portraits: Sequence[Portrait]) -> LooksSeen:
    """A member is as similar to a person as the mean over its references; members and people are matched best
    (Hungarian). `likeness` is the mean own similarity, `likeness_least` the least, a missing person counting 0.
    """
    scores = {"occm": occm(len(found), len(portraits))}
    known = [portrait.looks for portrait in portraits if portrait.looks is not None]
    if not known or len(known) < len(portraits):
        return LooksSeen(scores, [{} for _ in portraits], {})
    similarity = np.stack([cosines(one, found).mean(0) for one in known]) if len(found) else np.zeros((len(known), 0))
    pairs = best_pairs(similarity)
    own = own_similarities(similarity, pairs)
    members = [{"likeness": one, "swap_score": math.nan, "copy_paste": math.nan} for one in own]
    for k, j in pairs:
        members[k]["swap_score"] = swap_score(similarity, ((k, j),))
        mirrored = portraits[k].mirrored
        if mirrored is not None:
            both = (float(cosines(found[j : j + 1], v[None])[0, 0]) for v in (known[k][0], mirrored))
            members[k]["copy_paste"] = copy_paste(*both)
    pasted = [member["copy_paste"] for member in members if not math.isnan(member["copy_paste"])]
    scores |= {
        "likeness": float(np.mean(own)),
        "likeness_least": min(own),
        "swap_score": swap_score(similarity, pairs),
        "copy_paste": float(np.mean(pasted)) if pasted else math.nan,
    }
    return LooksSeen(scores, members, dict(pairs))


def portrait_of(judges: Judges, character: Character) -> Portrait:
    """Faces: the largest of the first reference that shows one, as FastComposer's evaluation takes it."""
    whole = [np.asarray(reference.image.convert("RGB")) for reference in character.references]
    crops = [reference_crop(reference) for reference in character.references]
    face = None
    if judges.faces is not None:
        face = next((seen[0].embedding for picture in whole if (seen := judges.faces.read(picture))), None)
    mirrored = np.asarray(Image.fromarray(crops[0]).transpose(Image.Transpose.FLIP_LEFT_RIGHT)) if crops else None
    return Portrait(
        face,
        None if judges.clip is None else vectors(judges.clip, whole),
        None if judges.dino is None else vectors(judges.dino, whole),
        None if judges.looks is None else vectors(judges.looks, crops),
        None if judges.looks is None or mirrored is None else vectors(judges.looks, [mirrored])[0],
    )
