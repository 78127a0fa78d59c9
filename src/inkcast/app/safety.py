"""What a studio refuses: words its policy names, pictures its classifier names, references without consent."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from inkcast.app.settings import studio_settings
from inkcast.errors import PolicyError, UsageError
from inkcast.files import shown

if TYPE_CHECKING:
    from PIL import Image

    from inkcast.story.script import Panel, Script

NAMED_IN_MESSAGE = 40


def check_words(text: str, where: str = "the text") -> None:
    """Raises PolicyError where `text` holds a word or phrase of the policy; `where` says which text to change."""
    found = policy().search(_folded(text))
    if found:
        raise PolicyError(
            f"{where} holds {shown(found[0].strip()[:NAMED_IN_MESSAGE])}, which this studio's policy refuses: "
            "write it without, or ask whoever runs the studio"
        )


def check_panel(panel: Panel, number: int) -> None:
    """Raises PolicyError where anything that panel `number` (from 1) shows or says is refused."""
    lines = [f"{line.text} {' '.join(line.translations.values())}" for line in panel.dialogue]
    people = [f"{who.name} {who.action} {who.state}" for who in panel.characters]
    where = [panel.place, panel.time, panel.shot, panel.view, *panel.effects]
    words = [panel.description, panel.caption, *panel.translations.values(), *lines, *people, *where]
    check_words("\n".join(words), f"panel {number}")


def check_script(script: Script) -> None:
    """Raises PolicyError naming the first panel that is refused."""
    check_words(script.title, "the title")
    for number, panel in enumerate(script.panels, 1):
        check_panel(panel, number)


def check_consent(real_person: bool, consent: str) -> None:
    """Raises PolicyError where a picture of a real person comes without the reason why it may be used."""
    if real_person and not consent.strip():
        raise PolicyError(
            "a picture of a real person needs consent: say why it may be used, such as 'signed release of 2026-05-01'"
        )


def check_picture(picture: Image.Image, what: str = "the picture") -> None:
    """Raises PolicyError where the studio's classifier refuses a picture; passes all where it has none."""
    chosen = studio_settings()
    if not chosen.looks_with:
        return
    from inkcast.app.safety_pictures import refused_share

    share = refused_share(picture, chosen.looks_with, chosen.classifier_labels)
    if share >= chosen.classifier_threshold:
        raise PolicyError(
            f"{what} was refused by this studio's image classifier ({share:.0%} sure): use another picture, or ask "
            "whoever runs the studio"
        )


def policy() -> re.Pattern[str]:
    """The studio's policy as one pattern over folded text."""
    return _policy(studio_settings().refused_words)


@cache
def _policy(file: Path | None) -> re.Pattern[str]:
    """The shipped list, or the studio's own instead of it.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        text = (file or resources.files("inkcast.app").joinpath("refused_words.txt")).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"setting INKCAST_STUDIO_REFUSED_WORDS names {shown(file)}, which cannot be read: {reason}"
        ) from error
    phrases = [_folded(line.partition("#")[0]) for line in text.splitlines()]
    patterns = [_between_words(r"\W+".join(map(re.escape, phrase.split()))) for phrase in phrases if phrase.strip()]
    return re.compile("|".join(patterns) or r"(?!)")


def _between_words(pattern: str) -> str:
    """Words only as a whole: 'Essex' holds no 'sex'."""
    return rf"(?<!\w){pattern}(?!\w)"


def _folded(text: str) -> str:
    """Case, width, accents and invisible marks do not count."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    kept = (mark for mark in decomposed if unicodedata.category(mark) not in ("Cf", "Mn"))
    return unicodedata.normalize("NFC", "".join(kept))
