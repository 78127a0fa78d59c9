"""What the API says of characters, scripts and the studio."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from inkcast.cast.character import Pronoun, State, View
from inkcast.cast.names import LONGEST_NAME, LONGEST_TEXT
from inkcast.cast.record import Entry, ReferenceEntry

Name = Field(min_length=1, max_length=LONGEST_NAME)
CHARACTER_EXAMPLE: dict[str, Any] = {
    "id": "0b0c5f1c2d3e4f5061728394a5b6c7d8",
    "name": "Ann Lee",
    "aliases": ["Annie"],
    "pronouns": "she",
    "description": "a girl with red hair",
    "states": [{"name": "armour", "description": "shining steel armour"}],
    "references": [
        {
            "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "view": "front",
            "state": "",
            "source": "ann.png",
            "consent": "drawn by me",
            "masked": False,
        }
    ],
    "identities": ["any-story"],
}


def example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class StateModel(BaseModel):
    """An outfit or age, and its words in a prompt."""

    name: str = Name
    description: str = Field(default="", max_length=LONGEST_TEXT)

    def state(self) -> State:
        return State(self.name, self.description)


class ReferenceModel(BaseModel):
    """A picture of a character; `id` is the SHA-256 of its file."""

    id: str
    view: View
    state: str
    source: str
    consent: str
    masked: bool = Field(description="Whether a mask came with it.")

    @classmethod
    def of(cls, entry: ReferenceEntry) -> ReferenceModel:
        return cls(
            id=entry.picture,
            view=entry.view,  # type: ignore[arg-type]  # checked when it was stored
            state=entry.state,
            source=entry.source,
            consent=entry.consent,
            masked=entry.mask is not None,
        )


class CharacterModel(BaseModel):
    """A character of the caller's cast library; `identities` are the engines that have learned it."""

    model_config = example(CHARACTER_EXAMPLE)

    id: str
    name: str
    aliases: list[str]
    pronouns: str
    description: str
    states: list[StateModel]
    references: list[ReferenceModel]
    identities: list[str]

    @classmethod
    def of(cls, entry: Entry) -> CharacterModel:
        return cls(
            id=entry.id,
            name=entry.name,
            aliases=list(entry.aliases),
            pronouns=entry.pronouns,
            description=entry.description,
            states=[StateModel(name=state.name, description=state.description) for state in entry.states],
            references=[ReferenceModel.of(reference) for reference in entry.references],
            identities=sorted({identity.engine for identity in entry.identities}),
        )


class CharacterChange(BaseModel):
    """What to say of a character instead; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Ann Lee", "aliases": ["Annie"], "pronouns": "she"}]}
    )

    name: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    aliases: list[str] | None = Field(default=None, max_length=100)
    pronouns: Pronoun | None = None
    description: str | None = Field(default=None, max_length=LONGEST_TEXT)
    states: list[StateModel] | None = Field(default=None, max_length=100)


class FaceModel(BaseModel):
    """`box` is x0, y0, x1, y1 and `points` are eyes, nose and mouth corners, in fractions of the picture."""

    box: tuple[float, float, float, float]
    points: list[tuple[float, float]]
    score: float


class PreviewModel(BaseModel):
    """What the engines will see of a reference."""

    model_config = example(
        {
            "how": "plain background",
            "covers": 0.31,
            "faces": [{"box": [0.3, 0.1, 0.7, 0.5], "points": [[0.4, 0.25], [0.6, 0.25]], "score": 0.97}],
        }
    )

    how: str = Field(description="How the subject was told apart: mask, alpha, plain background, model, whole picture.")
    covers: float = Field(description="Share of the picture that is the subject.")
    faces: list[FaceModel]
