"""Where and when: the place and the time a sentence names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from inkcast.story.lexicon import Lexicon, Words, alternation, fold, load_lexicon

_EDGE = r"[.,;:!?。，、；！？…]"


def find_place(text: str, lexicon: Lexicon, *, anywhere: bool = False) -> str:
    """The place of the action in `text`, without article; empty if none is named. Destinations win over places passed.

    With `anywhere`, places it only comes from or belongs to count too ("the stairs of the lighthouse").
    """
    if not lexicon.spaced:
        return _unspaced_place(text, lexicon)
    place = lexicon.place
    best: tuple[int, int, str] | None = None
    for weight, words in ((3, place.into), (2, (*place.at, *place.verbs)), (1, place.source if anywhere else ())):
        for match in alternation(words, spaced=True).finditer(fold(text)):
            phrase = _noun_phrase(text[match.end() :], match.group(), text[: match.start()], lexicon)
            if phrase and (best is None or weight > best[0]):
                best = (weight, match.start(), phrase)
    if best:
        return best[2]
    subject = alternation(lexicon.definite, spaced=True).match(fold(text)) if anywhere else None
    return _adverb(text, lexicon) or (_noun_phrase(text[subject.end() :], "", "", lexicon) if subject else "")


def _noun_phrase(after: str, preposition: str, before: str, lexicon: Lexicon) -> str:
    phrase = re.split(_EDGE, after, maxsplit=1)[0]
    words = re.findall(r"[\w'’-]+", phrase)[:7]
    dets = 0
    while dets < len(words) and fold(words[dets]) in _determiners(lexicon.language):
        dets += 1
    owner = next((i for i, word in enumerate(words[dets:], dets) if word.endswith(("'s", "’s"))), None)
    start = owner + 1 if owner is not None and owner < dets + 3 else dets
    body = words[start : start + 4]
    if _looks(before, preposition, lexicon):
        return ""
    for length in range(len(body), 0, -1):
        for head_length in (2, 1):
            head = fold(" ".join(body[max(length - head_length, 0) : length]))
            if head in lexicon.place.nouns and _is_modifier(body[: max(length - head_length, 0)], lexicon):
                thing = length < len(body) and fold(body[length]) in lexicon.place.excluded
                return "" if thing else " ".join(body[:length])
    if dets and body and _stays(before, lexicon) and preposition in ("in", "at", "inside", "to", "into", "through"):
        return _unknown_place(body, lexicon)
    return ""


def _looks(before: str, preposition: str, lexicon: Lexicon) -> bool:
    """Whether the place is only looked or pointed at."""
    last = fold(before).split()[-2:]
    if len(last) == 2:
        last = last[:1] if last[1] in lexicon.place.view_prepositions else last[1:]
    views = lexicon.place.views
    return (
        preposition in lexicon.place.view_prepositions and bool(last) and last[0].startswith(views) if views else False
    )


def _unknown_place(body: list[str], lexicon: Lexicon) -> str:
    head: list[str] = []
    for word in body:
        if fold(word) in _function_words(lexicon.language):
            break
        head.append(word)
    return " ".join(head) if 0 < len(head) <= 2 and fold(head[-1]) not in lexicon.place.excluded else ""


def _stays(before: str, lexicon: Lexicon) -> bool:
    words = fold(before).split()
    return not words or words[-1] in lexicon.place.stay


def _is_modifier(words: list[str], lexicon: Lexicon) -> bool:
    return all(fold(word) not in _function_words(lexicon.language) for word in words)


@cache
def _function_words(language: str) -> frozenset[str]:
    lexicon = load_lexicon(language)
    place = lexicon.place
    prepositions = {word for phrase in (*place.into, *place.at, *place.source) for word in phrase.split()}
    pronouns = {form for forms in lexicon.pronouns.values() for form in (*forms.subject, *forms.object)}
    return frozenset(
        {
            *prepositions,
            lexicon.conjunction,
            *lexicon.articles,
            *_determiners(language),
            *pronouns,
            "with",
            "for",
            "or",
            "but",
        }
    )


@cache
def _determiners(language: str) -> frozenset[str]:
    lexicon = load_lexicon(language)
    owners = {form for forms in lexicon.pronouns.values() for form in forms.possessive}
    theirs = (*lexicon.possessives, *lexicon.possession.articles)
    return frozenset({*lexicon.articles, *owners, *theirs, "my", "your", "our"})


def _adverb(text: str, lexicon: Lexicon) -> str:
    verbs = "|".join(re.escape(verb) for verb in lexicon.place.adverb_verbs) or r"(?!)"
    adverbs = alternation(lexicon.place.adverbs, spaced=True).pattern
    carried = alternation(tuple(form for forms in lexicon.pronouns.values() for form in forms.object), spaced=True)
    thing = rf"(?:{carried.pattern}|{alternation(tuple(_determiners(lexicon.language)), spaced=True).pattern}\s+\w+)"
    match = re.search(rf"(?<!\w)(?:{verbs})\w*\s+(?:{thing}\s+)?(?:back\s+)?(?P<adverb>{adverbs})", fold(text))
    return match["adverb"] if match else ""


def _unspaced_place(text: str, lexicon: Lexicon) -> str:
    place = lexicon.place
    nouns = "|".join(re.escape(noun) for noun in sorted(place.nouns, key=len, reverse=True))
    before = "|".join(re.escape(word) for word in sorted((*place.into, *place.at), key=len, reverse=True)) or r"(?!)"
    after = "|".join(re.escape(word) for word in sorted(place.after, key=len, reverse=True)) or r"(?!)"
    led = rf"(?:{before})[了过着]?(?P<place>[^,。,、!?的]{{0,4}}?(?:{nouns}))"
    for pattern in (led, rf"(?P<place>(?:{nouns}))(?:{after})"):
        if match := re.search(pattern, text):
            return match["place"]
    return ""


def find_time(text: str, lexicon: Lexicon) -> tuple[str, str]:
    """(time of day, weather) that `text` names, as the lexicon's labels; empty where it names none."""
    return _label(text, lexicon.time, lexicon), _label(text, lexicon.weather, lexicon)


def _label(text: str, labels: Mapping[str, Words], lexicon: Lexicon) -> str:
    folded = fold(text)
    hits = [
        (match.start(), label)
        for label, words in labels.items()
        if (match := alternation(words, spaced=lexicon.spaced).search(folded))
    ]
    return min(hits)[1] if hits else ""


@dataclass
class Scene:
    """Place, time of day and weather, carried over until they change."""

    place: str = ""
    time: str = ""
    weather: str = ""

    def enter(self, text: str, lexicon: Lexicon) -> None:
        time, weather = find_time(text, lexicon)
        self.place = find_place(text, lexicon, anywhere=not self.place) or self.place
        self.time = time or self.time
        if weather or time:
            self.weather = weather

    @property
    def when(self) -> str:
        return ", ".join(part for part in (self.time, self.weather) if part)
