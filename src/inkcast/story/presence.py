"""Which members a sentence speaks of are in its picture: not who is missed, remembered or only owns something."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inkcast.story.discourse import Reference
from inkcast.story.lexicon import Lexicon, fold
from inkcast.story.mentions import Mention

_REACH = 60  # characters around a mention that may say that its bearer is absent


def visible(text: str, references: Sequence[Reference], lexicon: Lexicon) -> tuple[int, ...]:
    """The members the references put into the picture, in order."""
    seen: dict[int, None] = {}
    absent: set[int] = set()
    for reference in references:
        if _is_absent(text, reference.mention, lexicon):
            absent.update(reference.members)
        elif not reference.mention.owner or _owns_body(text, reference.mention, lexicon):
            seen.update(dict.fromkeys(reference.members))
    return tuple(member for member in seen if member not in absent)


def _owns_body(text: str, mention: Mention, lexicon: Lexicon) -> bool:
    """Whether what the mention owns is part of its bearer ("Vic's hand"), who then is there."""
    after = fold(text[mention.end : mention.end + _REACH])
    if lexicon.spaced:
        return any(word in lexicon.absent.bodies for word in re.findall(r"\w+", after)[:3])
    return any(after.lstrip("的の").startswith(body) for body in lexicon.absent.bodies)


def _is_absent(text: str, mention: Mention, lexicon: Lexicon) -> bool:
    before = "|".join(lexicon.absent.before) or r"(?!)"
    after = "|".join(lexicon.absent.after) or r"(?!)"
    space = r"\b" if lexicon.spaced else ""
    left = fold(text[max(mention.start - _REACH, 0) : mention.start])
    right = fold(text[mention.end : mention.end + _REACH])
    return bool(re.search(rf"{space}(?:{before})\s*$", left) or re.match(rf"\s*(?:{after})", right))
