"""The optional image classifier: any image classifier of transformers, from a folder or the hub."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from inkcast.app.settings import listed
from inkcast.errors import BaseModelError, UsageError
from inkcast.files import shown
from inkcast.pretrained import load_part, load_pretrained


@dataclass(frozen=True)
class PictureClassifier:
    """`model` gives logits over labels; the probabilities of those `refused` (places of labels) add up."""

    model: Any
    processor: Any
    refused: tuple[int, ...]

    def share(self, picture: Image.Image) -> float:
        """How much of the classifier's belief (0..1) lies on refused labels."""
        import torch

        with torch.no_grad():
            inputs = self.processor(images=picture.convert("RGB"), return_tensors="pt")
            chances = self.model(**inputs).logits[0].float().softmax(-1)
        return float(chances[list(self.refused)].sum())


def refused_share(picture: Image.Image, name: str, labels: str) -> float:
    """How sure the classifier called `name` is that the picture is one of `labels` (separated by commas)."""
    return load_classifier(name, listed(labels)).share(picture)


@lru_cache(maxsize=2)
def load_classifier(name: str, labels: tuple[str, ...]) -> PictureClassifier:
    """Loads a classifier once; a folder is read from disk alone.

    Raises:
        UsageError: it cannot be loaded, or knows none of the labels: a studio that was told to look must not go blind.
    """
    # By name: the automatic choice of image processor wants torchvision.
    from transformers import AutoModelForImageClassification, ViTImageProcessorPil

    local = Path(name).expanduser()
    source, only_local = (str(local), True) if local.is_dir() else (name, False)
    what = "image classifier"
    try:
        model = load_pretrained(
            AutoModelForImageClassification, source, what, local_files_only=only_local, use_safetensors=True
        )
        processor = load_part(
            what, source, lambda: ViTImageProcessorPil.from_pretrained(source, local_files_only=only_local)
        )
    except BaseModelError as error:
        raise UsageError(str(error)) from error
    known = {str(label).lower(): int(place) for place, label in model.config.id2label.items()}
    refused = tuple(known[label] for label in labels if label in known)
    if not refused:
        raise UsageError(
            f"the image classifier {shown(name)} knows {', '.join(sorted(known))}, but none of "
            f"{', '.join(labels)}: set INKCAST_STUDIO_CLASSIFIER_LABELS"
        )
    return PictureClassifier(model, processor, refused)
