"""Names and other words a person writes about a character: what is allowed, and when two names are the same."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import get_args

from inkcast.cast.character import Pronoun, View
from inkcast.errors import CastError
from inkcast.files import shown

LONGEST_NAME = 500
LONGEST_TEXT = 20_000
PRONOUNS: tuple[str, ...] = get_args(Pronoun)
VIEWS: tuple[str, ...] = get_args(View)

_WITH_PRONOUNS = re.compile(rf"(.*\S)\s*\(\s*({'|'.join(PRONOUNS)})(\s*/\s*\w+)*\s*\)\s*", re.IGNORECASE | re.DOTALL)


def clean_name(text: str, what: str = "name") -> str:
    """`text` with single spaces; raises CastError if it is empty, too long or holds control characters."""
    name = " ".join(unicodedata.normalize("NFC", clean_text(text, what)).split())
    if not _folded(name):
        raise CastError(f"{what} {shown(text)} is empty; write at least one visible character")
    if len(name) > LONGEST_NAME:
        raise CastError(f"{what} {shown(name)} has {len(name)} characters; use at most {LONGEST_NAME}")
    return name


def clean_text(text: str, what: str) -> str:
    """`text` as it is; raises CastError if a database could not hold it."""
    for character in text:
        if character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cs"):
            raise CastError(f"{what} {shown(text)} holds the control character {character!r}; take it out")
    if len(text) > LONGEST_TEXT:
        raise CastError(f"{what} {shown(text)} has {len(text)} characters; use at most {LONGEST_TEXT}")
    return text


def name_key(name: str) -> str:
    """Equal for names a reader takes for the same: case, width, spacing and invisible marks do not count.

    64 hexadecimal digits, since an index of PostgreSQL takes no value over 2.7 kB.
    """
    return hashlib.sha256(_folded(name).encode()).hexdigest()


def clean_pronouns(text: str) -> str:
    """The subject pronoun in `text` ("she", "She/her"), or empty; raises CastError for one not known."""
    subject = text.partition("/")[0].strip().lower()
    if subject and subject not in PRONOUNS:
        raise CastError(f"pronouns {shown(text)} are not known; use one of {', '.join(PRONOUNS)}")
    return subject


def clean_view(text: str) -> str:
    """`text` as the name of a view; raises CastError for one not known."""
    view = text.strip().lower()
    if view not in VIEWS:
        raise CastError(f"view {shown(text)} is not known; use one of {', '.join(VIEWS)}")
    return view


def split_pronouns(text: str) -> tuple[str, str]:
    """ "Ann Lee (she)" as ("Ann Lee", "she"); without known pronouns in parentheses at its end, the text and ""."""
    found = _WITH_PRONOUNS.fullmatch(text)
    return (found[1], found[2].lower()) if found else (text, "")


def _folded(name: str) -> str:
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return " ".join(folded.split())
