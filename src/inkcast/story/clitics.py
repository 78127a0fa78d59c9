"""Object pronouns that lean on a verb ("Luc la voit", "quiere verla"), and where a name goes in their stead.

A name cannot stand where such a pronoun does: it follows the verb, with a preposition where the language asks for one
("Luc voit Anna", "Luc donne une pomme à Anna", "Pedro ve a María").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from inkcast.story.lexicon import GENDERS, Gender, Lexicon, Words, alternation, fold, load_lexicon
from inkcast.story.mentions import Mention, Move

_WORD = re.compile(r"[^\W_]+'?")
_CLAUSE_END = r"(?=\s*(?:[.,;:!?…»”)]|$)|\s+(?:et|mais|puis|y|pero)\s)"


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    text: str  # folded, with the apostrophe it ends in


def find_clitics(text: str, start: int, end: int, known: Sequence[Mention], lexicon: Lexicon) -> Iterator[Mention]:
    """The object pronouns at verbs in `text[start:end]`, each with its `Move`; `known` are the names there."""
    if not lexicon.clitics.direct:
        return
    folded = fold(text)
    words = [_Word(m.start(), m.end(), m.group()) for m in _WORD.finditer(folded, start, end)]
    sentence = _Sentence(text, folded, end, words, known, lexicon)
    for place, word in enumerate(words):
        if word.text in _forms(lexicon.language):
            verb = sentence.verb_after(place)
            if verb is not None and sentence.is_object(place, verb):
                yield sentence.mention(place, verb)
        elif word.text not in lexicon.clitics.nouns and (found := re.fullmatch(lexicon.clitics.leaning, word.text)):
            yield sentence.leaning(word, found)


@cache
def _forms(language: str) -> frozenset[str]:
    clitics = load_lexicon(language).clitics
    return frozenset(form for forms in (*clitics.direct.values(), *clitics.dative.values()) for form in forms)


@dataclass(frozen=True)
class _Sentence:
    text: str
    folded: str
    end: int
    words: Sequence[_Word]
    known: Sequence[Mention]
    lexicon: Lexicon

    def _next_to(self, place: int) -> bool:
        """Whether only blanks stand between the word at `place` and the one before it."""
        return (
            0 < place < len(self.words) and not self.text[self.words[place - 1].end : self.words[place].start].strip()
        )

    def verb_after(self, place: int) -> int | None:
        beside = {*_forms(self.lexicon.language), *self.lexicon.clitics.beside}
        verb = place + 1
        while self._next_to(verb) and self.words[verb].text in beside:
            verb += 1
        if not self._next_to(verb) or not self.text[self.words[verb].start].islower():
            return None
        return verb

    def is_object(self, place: int, verb: int) -> bool:
        """Whether the word is a pronoun of somebody, not an article or a thing's ("le lui donne", "se lo dice")."""
        clitics, form, action = self.lexicon.clitics, self.words[place].text, self.words[verb].text
        datives = _all(clitics.dative)
        last = self.words[place - 1].text if self._next_to(place) else ""
        if form not in datives:
            if any(word.text in datives for word in self.words[place + 1 : verb]) or last == clitics.dative_beside:
                return False
            if _is_form(action, clitics.things, clitics.endings):
                return False
        if action in clitics.never or self._named_later(form, verb) or self.text[self.words[place].start - 1] == "-":
            return False
        before = place - 1
        while self._next_to(before + 1) and self.words[before].text in (*clitics.negation, *clitics.reflexive):
            if self.words[before].text in clitics.negation:
                return form not in clitics.articles or form.endswith("'") or self._acts(action, form)
            before -= 1
        if not self._next_to(before + 1):
            return self._opens(form, action)
        return self._after(self.words[before], before, form, action)

    def _opens(self, form: str, action: str) -> bool:
        """Whether a clause may open with this pronoun: in Spanish, where the subject is left out."""
        clitics = self.lexicon.clitics
        return bool(clitics.drops) and (form not in clitics.articles or self._acts(action, form))

    def _after(self, before: _Word, place: int, form: str, action: str) -> bool:
        clitics = self.lexicon.clitics
        if before.text in clitics.subjects:
            return True
        mention = next((m for m in self.known if m.end == before.end and not m.owner), None)
        if mention is not None:
            first = next(i for i, word in enumerate(self.words) if word.start >= mention.start)
            led = first > 0 and self.words[first - 1].text in (*clitics.prepositions, *clitics.leads)
            is_noun = action in self.lexicon.place.nouns or action in clitics.nouns
            return self._acts(action, form) if led or is_noun else True
        if before.text in clitics.infinitive_leads:
            nouns = (*clitics.nouns, *self.lexicon.place.nouns)
            infinitive = re.search(clitics.infinitive, action) and action not in nouns
            return bool(infinitive) or self._opens(form, action)
        if before.text in clitics.prepositions:
            return False
        articles = alternation(self.lexicon.articles, spaced=True).pattern
        acted = re.search(rf"(?:^|[.!?,;]\s*){articles}\s+\w+$", self.folded[self.words[0].start : before.end])
        return bool(acted) or self._acts(action, form)

    def _acts(self, action: str, form: str) -> bool:
        clitics = self.lexicon.clitics
        if action in clitics.nouns and form in clitics.articles:
            return False
        return action in (*clitics.verbs, *clitics.auxiliaries) or _is_form(action, clitics.stems, clitics.endings)

    def _named_later(self, form: str, verb: int) -> bool:
        """Whether a doubled object is named in the same clause ("le da una manzana a Pedro")."""
        if not self.lexicon.clitics.drops:
            return False
        clause = re.split(r"[.,;:!?]", self.folded[self.words[verb].end : self.end])[0]
        stop = self.words[verb].end + len(clause)
        return any(
            self.words[verb].end < m.start < stop
            and re.search(rf"\b{self.lexicon.clitics.to}\s+$", self.folded[: m.start][-4:])
            for m in self.known
        )

    def mention(self, place: int, verb: int) -> Mention:
        word, clitics = self.words[place], self.lexicon.clitics
        is_dative = word.text in _all(clitics.dative)
        last, participle = self._verb_end(verb, direct=not is_dative)
        to = self._after_thing(self.words[last].end) if is_dative else self.words[last].end
        genders = _genders(word.text, self.lexicon)
        move = Move(
            (word.start, self.words[place + 1].start), to, clitics.to if is_dative else clitics.person, participle
        )
        among: tuple[Gender, ...] = ("she",) if word.text in clitics.feminine else ()
        return Mention(word.start, word.end, "pronoun", genders=genders, role="object", among=among, move=move)

    def leaning(self, word: _Word, found: re.Match[str]) -> Mention:
        """A pronoun written onto its verb: "mirándola", "ayudarle"."""
        clitics = self.lexicon.clitics
        form, verb = found["clitic"], found["verb"]
        start = word.end - len(form)
        is_dative = form in _all(clitics.dative)
        to = self._after_thing(word.end) if is_dative else word.end
        plain = verb.translate(str.maketrans("áéí", "aei")) if re.search(r"ndo$|[áéí]r$", verb) else verb
        repair = (word.start, start, _like(self.text[word.start], plain)) if plain != verb else None
        move = Move((start, word.end), to, clitics.to if is_dative else clitics.person, repair)
        among: tuple[Gender, ...] = ("she",) if form in clitics.feminine else ()
        genders = _genders(form, self.lexicon)
        return Mention(start, word.end, "pronoun", genders=genders, role="object", among=among, move=move)

    def _verb_end(self, verb: int, *, direct: bool) -> tuple[int, tuple[int, int, str] | None]:
        """The last word of the verb that starts at `verb`; and a participle without the ending the pronoun gave it."""
        clitics, last = self.lexicon.clitics, verb
        finite = self.words[verb].text
        while self._next_to(last + 1) and self.words[last + 1].text in (
            *clitics.negated,
            *(clitics.between if finite in clitics.auxiliaries else ()),
        ):
            last += 1
        if not self._next_to(last + 1):
            return last, None
        following = self.words[last + 1]
        if finite in clitics.auxiliaries and re.search(clitics.participle, following.text):
            bare = re.sub(clitics.agreement, "", following.text) if direct and clitics.agreement else following.text
            return last + 1, (following.start, following.end, bare) if bare != following.text else None
        if following.text == clitics.to and self._next_to(last + 2):
            going = self.words[last + 2].text
            return (last + 2 if re.search(clitics.infinitive, going) else last), None
        if re.search(clitics.infinitive, following.text) and re.match(clitics.lets, finite):
            return last + 1, None
        return last, None

    def _after_thing(self, to: int) -> int:
        """Behind the thing that is given, if it is a short one: "donne une pomme | à Anna"."""
        determiners = alternation((*self.lexicon.articles, *self.lexicon.possessives), spaced=True).pattern
        clitics = self.lexicon.clitics
        little = "|".join(map(re.escape, (*clitics.prepositions, *clitics.leads, *clitics.negated)))
        noun = rf"\s+(?:{determiners}'?\s*(?:\w+\s+)?\w+|(?!(?:{little})\b)\w{{3,}}){_CLAUSE_END}"
        thing = re.compile(noun).match(self.folded, to, self.end)
        return thing.end() if thing else to


def _all(forms: Mapping[Gender, Words]) -> set[str]:
    return {form for own in forms.values() for form in own}


@cache
def _conjugated(stems: Words, endings: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(map(re.escape, stems))})(?:{endings})")


def _is_form(action: str, stems: Words, endings: str) -> bool:
    return _conjugated(stems, endings).fullmatch(action) is not None


def _genders(form: str, lexicon: Lexicon) -> tuple[Gender, ...]:
    clitics = lexicon.clitics
    return tuple(g for g in GENDERS if form in (*clitics.direct.get(g, ()), *clitics.dative.get(g, ())))


def _like(first: str, word: str) -> str:
    return first + word[1:]
