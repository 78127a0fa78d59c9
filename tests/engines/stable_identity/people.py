"""Eyes that see what they are told, material by hand, names the tiny tokenizer knows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from inkcast.cast.character import Character, CharacterId
from inkcast.engines.engine import Member, PanelPrompt
from inkcast.engines.stable_identity.prior import DRAWINGS, Fame
from inkcast.engines.stable_identity.sight import Seen
from inkcast.images import Reference
from inkcast.vision.face_parsing import FaceMasks

NAMES = (
    "mira stone", "tom reed", "ann lee", "ben stone", "ann reed", "tom lee", "mira lee", "ben reed", "red park",
)  # fmt: skip
FAME = Fame(NAMES, ("a flat drawing of {}", *DRAWINGS[:1]))
ANN, BEN = CharacterId("ann"), CharacterId("ben")
ANN_HERE, BEN_HERE = Member(ANN, "Ann Lee", "a girl"), Member(BEN, "李小龙", "a bear")
BOTH = PanelPrompt((ANN, " hugs ", BEN, " in the park"), (ANN_HERE, BEN_HERE))


def picture(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (96, 80, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def person(who: CharacterId = ANN, seed: int = 0) -> Character:
    return Character(who, who.title(), (Reference(picture(seed), digest=f"{seed:064d}"),))


@dataclass
class Stare:
    """A face in the middle under a stripe of hair; counts how often it looks."""

    dim: int = 6
    note: str = ""
    looks: list[str] = field(default_factory=list)

    def look(self, reference: Reference) -> Seen:
        self.looks.append(reference.digest)
        face, hair = np.zeros((2, 96, 80), dtype=bool)
        face[30:60, 20:50] = True
        hair[20:30, 20:50] = True
        chance = torch.Generator().manual_seed(int(reference.digest[-8:], 16))
        return Seen(
            np.array(reference.image), FaceMasks(face, hair), torch.randn(2, self.dim, generator=chance), self.note
        )
