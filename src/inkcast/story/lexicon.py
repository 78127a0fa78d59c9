"""The words the offline parser knows, one TOML file per language, and which language a story is in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from inkcast.errors import StoryError

Gender = Literal["he", "she", "it", "they"]
GENDERS: tuple[Gender, ...] = ("he", "she", "it", "they")
LANGUAGES = ("en", "de", "fr", "es", "zh", "ja")
UNSPACED = frozenset({"zh", "ja"})
Words = tuple[str, ...]

_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PronounForms(_Section):
    subject: Words = ()
    object: Words = ()
    possessive: Words = ()
    reflexive: Words = ()


class Titles(_Section):
    he: Words = ()
    she: Words = ()
    any: Words = ()
    expand: Mapping[str, Words] = Field(default_factory=dict)
    abbreviations: Words = ()


class People(_Section):
    he: Words = ()
    she: Words = ()
    it: Words = ()
    kin: Words = ()
    things: Mapping[Gender, Words] = Field(default_factory=dict)  # articles of nouns that a pronoun may stand for
    indefinite: Words = ()
    adjectives: Words = ()


class Groups(_Section):
    numbers: Mapping[str, int] = Field(default_factory=dict)
    nouns: Words = ()
    gender: Mapping[str, Gender] = Field(default_factory=dict)
    sizes: Mapping[str, int] = Field(default_factory=dict)
    both: Words = ()
    siblings: Words = ()
    former: Words = ()
    latter: Words = ()
    all: Words = ()


class Speech(_Section):
    speech: Words = ()
    gesture: Words = ()
    shout: Words = ()
    whisper: Words = ()
    thought: Words = ()
    impersonal: Words = ()
    tagged: str = ""
    tagwords: Words = ()
    particles: Words = ()
    adverb: str = ""
    persons: Words = ()
    subject_marks: Words = ()


class Absent(_Section):
    """Phrases before a mention, and patterns after it, that say the person is not there; body parts, whose owner is."""

    before: Words = ()
    after: Words = ()
    bodies: Words = ()


class Place(_Section):
    into: Words = ()
    at: Words = ()
    source: Words = Field(default=(), alias="from")
    after: Words = ()
    verbs: Words = ()
    adverbs: Words = ()
    adverb_verbs: Words = ()
    nouns: Words = ()
    excluded: Words = Field(default=(), alias="not")
    stay: Words = ()
    views: Words = ()
    view_prepositions: Words = ()


class Split(_Section):
    connectors: Words = ()
    verbs: Words = ()
    verb_ending: str = ""


class Clitics(_Section):
    """Object pronouns that lean on a verb, by whom they mean, and the words that tell them from articles.

    `to` and `person` come before the name that takes a dative's or a direct object's place. `drops` says that the
    language leaves subjects out; all other lists are words, `stems` take one of `endings`, and strings are patterns.
    """

    direct: Mapping[Gender, Words] = Field(default_factory=dict)
    dative: Mapping[Gender, Words] = Field(default_factory=dict)
    feminine: Words = ()
    articles: Words = ()
    to: str = ""
    person: str = ""
    dative_beside: str = ""
    leaning: str = r"(?!)"
    drops: bool = False
    subjects: Words = ()
    beside: Words = ()
    negation: Words = ()
    negated: Words = ()
    reflexive: Words = ()
    leads: Words = ()
    infinitive_leads: Words = ()
    infinitive: str = r"(?!)"
    prepositions: Words = ()
    auxiliaries: Words = ()
    between: Words = ()
    participle: str = r"(?!)"
    agreement: str = ""
    lets: str = r"(?!)"
    stems: Words = ()
    endings: str = r"(?!)"
    verbs: Words = ()
    nouns: Words = ()
    things: Words = ()
    moving: Words = ()
    others: Words = ()
    never: Words = ()


class Unsaid(_Section):
    """Subjects left out where words are not spaced: patterns over a sentence, and what stands after a subject.

    The sentence, after one of `leads`, begins as `begins` says, ends as `ends` and not as `never` say, and shows no
    `subject`; `objects` follow a name that is none.
    """

    leads: str = ""
    begins: str = r"(?!)"
    ends: str = ""
    never: str = r"(?!)"
    subject: str = r"(?!)"
    objects: str = r"(?!)"
    mark: str = ""


class Possession(_Section):
    """Possessives that do not tell whose they are: the (masculine, feminine) articles that stand for each of them."""

    articles: Mapping[str, tuple[str, str]] = Field(default_factory=dict)
    plural: Words = ()
    of: str = ""
    elides: Words = ()
    elided: str = ""
    masculine: Words = ()
    feminine: Words = ()
    feminine_ending: str = ""
    adjectives: Words = ()
    contractions: Mapping[str, str] = Field(default_factory=dict)


class Lexicon(_Section):
    """Everything the rules know about one language; see `languages/en.toml` for what each list is for."""

    language: str
    joiner: str = " "
    conjunction: str = Field(alias="and")
    articles: Words = ()
    definite: Words = ()
    possessives: Words = ()
    stopwords: Words = ()
    function_words: Words = ()
    clause_words: Words = ()
    ditransitive: Words = ()
    elisions: Words = ()
    plural_verb: str = ""
    feminine_plurals: Words = ()
    not_before: Words = ()
    coordinators: Words = ()
    companions: Words = ()
    clause_breaks: Words = ()
    capital_nouns: bool = False
    inverts: bool = True
    modals: Words = ()
    impersonal: str = ""
    titles: Titles = Titles()
    nicknames: Mapping[str, Words] = Field(default_factory=dict)
    pronouns: Mapping[Gender, PronounForms]
    clitics: Clitics = Clitics()
    unsaid: Unsaid = Unsaid()
    possession: Possession = Possession()
    people: People = People()
    groups: Groups = Groups()
    speech: Speech = Speech()
    doing: Mapping[str, str] = Field(default_factory=dict)
    absent: Absent = Absent()
    time: Mapping[str, Words] = Field(default_factory=dict)
    weather: Mapping[str, Words] = Field(default_factory=dict)
    place: Place
    split: Split = Split()

    @property
    def spaced(self) -> bool:
        return self.language not in UNSPACED


@cache
def load_lexicon(language: str) -> Lexicon:
    if language not in LANGUAGES:
        raise StoryError(f"no offline parser for language '{language}': choose one of {', '.join(LANGUAGES)}")
    text = resources.files("inkcast.story").joinpath("languages", f"{language}.toml").read_text(encoding="utf-8")
    return Lexicon.model_validate({"language": language, **tomllib.loads(text)})


def detect_language(text: str) -> str:
    """The language of `LANGUAGES` whose script, then whose commonest words, fit `text` best; English when none does."""
    if _KANA.search(text):
        return "ja"
    if len(_HAN.findall(text)) * 4 > sum(character.isalpha() for character in text):
        return "zh"
    words = re.findall(r"[^\W\d_]+", text.lower())
    scores = {lang: _share(words, load_lexicon(lang).stopwords) for lang in LANGUAGES if lang not in UNSPACED}
    return max(scores, key=lambda lang: scores[lang])


def _share(words: Sequence[str], stopwords: Sequence[str]) -> float:
    known = frozenset(stopwords)
    return sum(word in known for word in words) / max(len(words), 1)


@lru_cache(maxsize=1024)
def fold(text: str) -> str:
    """Lower case, typographic apostrophes and hyphens made plain: how words are compared. Length is kept."""
    low = "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return low.replace("’", "'").replace("\u2010", "-").replace("\u2011", "-")


@cache
def alternation(words: Words, *, spaced: bool) -> re.Pattern[str]:
    """A pattern that finds any of `words`, longest first; whole words where the language separates words."""
    body = "|".join(re.escape(fold(word)) for word in sorted(words, key=len, reverse=True)) or r"(?!)"
    return re.compile(rf"(?<!\w)(?:{body})(?!\w)" if spaced else rf"(?:{body})")
