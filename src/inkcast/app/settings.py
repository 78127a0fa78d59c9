"""The studio's settings, each an environment variable `INKCAST_STUDIO_…`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from inkcast.config import settings
from inkcast.errors import UsageError

PREFIX = "INKCAST_STUDIO_"


class StudioSettings(BaseSettings):
    """What whoever runs a studio may set. Lists are separated by commas."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    upload_megabytes: float = Field(default=64, gt=0, description="Largest request that is read.")
    requests_per_minute: int = Field(default=1200, ge=1, description="Requests to the API that one user may send.")
    sign_ins_per_minute: int = Field(default=10, ge=1, description="Sign-ins that one address, or one name, may try.")
    session_days: float = Field(default=14, gt=0, description="How long a sign-in lasts.")
    hosts: str = Field(
        default="",
        description="Names, separated by commas, by which browsers may call the studio; with accounts, any if empty.",
    )
    bases: str = Field(
        default="toon",
        description="Bases, separated by commas, that users with accounts may draw on; the local user may any.",
    )
    llms: str = Field(
        default="",
        description="Language models (PROVIDER:MODEL), separated by commas, that such users may read stories with.",
    )
    streams_per_user: int = Field(default=32, ge=1, description="Streams of events that one user may hold open.")
    waiting_jobs: int = Field(default=20, ge=1, description="Jobs that one user may have waiting or running.")
    running_jobs: int = Field(
        default=1, ge=1, description="Jobs of one user that may run at once, where there are several workers."
    )
    refused_words: Path | None = Field(
        default=None, description="Text file of words and phrases, one a line, that prompts must not hold."
    )
    classifier: str = Field(
        default="",
        description="Folder or hub id of a transformers image classifier that looks at references and panels; left "
        "out: the folder `classifier` of the home folder, where there is one; `off`: none.",
    )
    classifier_labels: str = Field(
        default="nsfw,porn,hentai,sexy,unsafe", description="Labels of that classifier, separated by commas, to refuse."
    )
    classifier_threshold: float = Field(
        default=0.7, gt=0, le=1, description="From which sum of those labels' probabilities a picture is refused."
    )

    @property
    def looks_with(self) -> str:
        """The classifier in use; empty for none."""
        if self.classifier:
            return "" if self.classifier.lower() == "off" else self.classifier
        installed = settings().home / "classifier"
        return str(installed) if installed.is_dir() else ""


def studio_settings() -> StudioSettings:
    """The settings as the environment has them now.

    Raises:
        UsageError: a variable holds a value that its setting cannot take.
    """
    try:
        return StudioSettings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise UsageError(f"setting {name} is {str(first['input'])[:80]!r}: {reason}") from error


def listed(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated setting, in lower case."""
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())
