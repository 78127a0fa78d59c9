"""The mentions of one sentence answered in order: what each means, and who acts."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from inkcast.story.discourse import NEAR, Discourse, Reference
from inkcast.story.lexicon import Gender, Lexicon, alternation, fold
from inkcast.story.mentions import Mention

_LONGEST_LIST = 12  # names
_THING_REACH = 120  # characters within which a pronoun may go back to a thing


@dataclass
class _Resolver:
    text: str
    talk: Discourse
    mentions: Sequence[Mention]
    references: list[Reference] = field(default_factory=list)
    acting: tuple[int, ...] = ()  # the subject of the clause, or of the one before until it has its own
    own: tuple[int, ...] = ()  # the subject of this clause
    stranger: tuple[Gender, ...] = ()  # a subject outside the cast

    def clause(self, mentions: Sequence[Mention]) -> None:
        self.own = ()
        for position, mention in enumerate(mentions):
            later = {
                m
                for other in mentions[position + 1 :]
                if other.kind == "name" and not other.owner
                for m in other.members
            }
            reference = self._introduced(mention) or self._answer(mention, tuple(later))
            if self._is_strange(reference):
                self.stranger = mention.genders
            if self._is_subject(reference):
                self.stranger = () if mention.kind == "name" else self.stranger
                self.own = (*self.own, *(m for m in reference.members if m not in self.own))
                self.acting = self.own
                reference = Reference(mention, reference.members, True, reference.rivals)
            self.references.append(reference)
            self.talk.note(reference.members)
        if len(self.own) > 1:
            self.talk.group = self.own

    def _is_subject(self, reference: Reference) -> bool:
        mention = reference.mention
        if not reference.members or mention.owner or mention.role in ("reflexive", "object"):
            return False
        return not self.own or self._coordinated(mention)

    def _is_strange(self, reference: Reference) -> bool:
        """Whether somebody outside the cast acts: "a man", "their mother", and "he" as long as it means him."""
        outside = reference.mention.kind in ("stranger", "person", "kin", "pronoun")
        return outside and not (reference.members or self.own or reference.mention.owner)

    def _coordinated(self, mention: Mention) -> bool:
        """Whether only "and" or a comma stands between `mention` and a subject before it ("Lou, Gabe and Mia")."""
        if not self.references or not self.references[-1].subject:
            return False
        between = self.text[self.references[-1].mention.end : mention.start].strip().lower()
        return between.lstrip(",、 ") in ("", "&", *self.talk.lexicon.coordinators) and between not in ("",)

    def _answer(self, mention: Mention, later: tuple[int, ...]) -> Reference:
        match mention.kind:
            case "name":
                return self._name(mention)
            case "group" if mention.members:
                return Reference(mention, mention.members)
            case "group":
                chosen = self._several(mention)
                rivals = self.talk.others(chosen, mention.genders) if mention.size else ()
                return Reference(mention, chosen, rivals=rivals)
            case "kin":
                return self._relative(mention)
            case "former" | "latter":
                pair = self.talk.pair
                return Reference(mention, (pair[0 if mention.kind == "former" else 1],) if len(pair) == 2 else ())
            case "stranger" | "person" if mention.kind == "stranger" or self.talk.is_stranger(self._noun(mention)):
                self.talk.strangers[self._noun(mention)] = self.talk.unit
                return Reference(mention, ())
        if "they" in mention.genders and self._is_plural(mention):
            return self._they(mention)
        if mention.role in ("possessive", "reflexive"):
            own = tuple(m for m in self.acting if self.talk.known(m, mention.genders))[:1]
            if own or mention.role == "reflexive":
                return Reference(mention, own)
        if mention.role == "subject" and not self.own and set(mention.genders) & set(self.talk.stranger):
            return Reference(mention, ())
        if mention.start == mention.end and not self.talk.lexicon.spaced:  # verbs without number: whoever acted goes on
            return Reference(mention, () if self.talk.stranger else self.talk.subjects)
        same = [m for m in self.acting if self.talk.known(m, mention.genders)] if mention.role == "subject" else []
        if same:  # "Ann said that she …"
            others = {m for r in self.references for m in r.members if self.talk.known(m, mention.genders)}
            return Reference(mention, tuple(same[:1]), rivals=() if self.own else tuple(sorted(others - {same[0]})))
        is_object = mention.role == "object" or (bool(self.own) and not mention.owner)
        if is_object and mention.genders == ("it",) and mention.kind == "pronoun":
            return Reference(mention, ())
        excluded = (*later, *(self.acting if is_object else ()))
        if mention.start == mention.end and len(self.talk.subjects) > 1:
            excluded = (*excluded, *self.talk.subjects)  # one acts, where several did before
        subject = not self.own and not is_object
        best, rivals = self.talk.one(mention.genders, excluded, subject=subject)
        if best is None and mention.start == mention.end:
            best, rivals = self.talk.one(mention.genders, later, subject=subject)
        if mention.start == mention.end and self.talk.subjects == (best,):
            rivals = ()  # a subject left out is the one before, by grammar
        doubt = is_object and best is not None and self._may_be_thing(mention)
        return Reference(mention, () if best is None else (best,), rivals=rivals, doubt=doubt)

    def _may_be_thing(self, mention: Mention) -> bool:
        """Whether "la" may go back to "une boîte", a thing of that gender just before."""
        people, before = self.talk.lexicon.people, self.text[max(mention.start - _THING_REACH, 0) : mention.start]
        articles = tuple(word for gender in mention.genders for word in people.things.get(gender, ()))
        adjectives = alternation(people.adjectives, spaced=True).pattern
        nouns = rf"{alternation(articles, spaced=True).pattern}\s+(?:{adjectives}\s+)*(\w+)"
        return bool(articles) and not {*re.findall(nouns, fold(before))} <= {*people.he, *people.she, *people.kin}

    def _noun(self, mention: Mention) -> str:
        return self.text[mention.start : mention.end].lower().split()[-1]

    def _several(self, mention: Mention) -> tuple[int, ...]:
        """Whom a group word means: not whoever acts on them ("Rose helped both"); siblings have one surname."""
        talk, word = self.talk, self._noun(mention)
        if word in talk.lexicon.groups.siblings:
            last = [talk.cast[m].name.lower().split()[1:][-1:] for m in range(len(talk.cast))]
            family = tuple(m for m in talk.present() if last[m] and last.count(last[m]) == max(mention.size, 2))
            if len(family) > 1:
                return tuple(sorted(m for m in family if last[m] == last[family[0]]))
        others = talk.many(mention.size, mention.genders, self.acting) if len(self.own) == 1 else ()
        return others or talk.many(mention.size, mention.genders)

    def _name(self, mention: Mention) -> Reference:
        if len(mention.members) == 1:
            return Reference(mention, mention.members)
        met = [member for member in self.talk.present() if member in mention.members]
        best = met[0] if met else mention.members[0]
        return Reference(mention, (best,), rivals=tuple(m for m in mention.members if m != best))

    def _is_plural(self, mention: Mention) -> bool:
        return mention.genders == ("they",) or len(self.acting) > 1

    def _they(self, mention: Mention) -> Reference:
        talk = self.talk
        singular = [m for m in talk.present() if talk.cast[m].gender == "they"][:1]
        if mention.role in ("possessive", "reflexive") and (len(self.acting) > 1 or self.acting == tuple(singular)):
            return Reference(mention, self.acting)
        latest = talk.present()[:1]
        if singular and latest == singular and mention.role == "possessive":
            return Reference(mention, tuple(singular))
        if singular and mention.role == "object" and not set(singular) & set(self.acting):
            others = [m for m in talk.present() if m not in (*singular, *self.acting) and talk.age(m) <= NEAR]
            if not others:
                return Reference(mention, tuple(singular))
        if singular and talk.alone and talk.subjects == tuple(singular) and mention.role != "object":
            return Reference(mention, tuple(singular))
        other = mention.role == "object" or (bool(self.own) and not mention.owner and not talk.lexicon.spaced)
        excluded = talk.many(0, mention.among, self.acting) if other else ()
        return Reference(mention, excluded or (() if mention.role == "object" else talk.many(0, mention.among)))

    def _introduced(self, mention: Mention) -> Reference | None:
        """ "Her daughter Mina": who that is from now on; the name itself is the mention that counts."""
        if mention.kind != "kin":
            return None
        following = next((m for m in self.mentions if m.start >= mention.end), None)
        if following is None or following.kind != "name" or following.owner:
            return None
        after = self.text[mention.end : following.end + 1]
        if not re.match(r"\s+\w|\s*,\s*[^,]+,$", after) or len(following.members) != 1:
            return None
        words = self.text[mention.start : mention.end].lower().split()
        owner = self._owner(_owner_genders(words[0], self.talk.lexicon), following.members)
        if owner is None:
            return None
        known = self._relative(mention)
        self.talk.relatives[owner, words[-1]] = following.members[0]
        said_once = known.members == following.members and "," not in after
        return known if said_once else Reference(mention, (), owners=(owner,))

    def _owner(self, genders: Sequence[Gender], excluded: Sequence[int] = ()) -> int | None:
        """Whose relative is spoken of: whoever acts, else the one a pronoun would mean."""
        owner, _ = self.talk.one(genders, excluded, subject=not self.own)
        return next((m for m in self.acting if self.talk.known(m, genders) and m not in excluded), owner)

    def _relative(self, mention: Mention) -> Reference:
        """The member who is somebody's "sister" or "uncle": told before, so called by name or title, or of the same
        surname."""
        words = self.text[mention.start : mention.end].lower().split()
        genders = _owner_genders(words[0], self.talk.lexicon)
        owner = self._owner(genders)
        if owner is not None and (owner, words[-1]) in self.talk.relatives:
            return Reference(mention, (self.talk.relatives[owner, words[-1]],))
        is_told = genders != ("they",) and (genders or words[0] in self.talk.lexicon.possession.articles)
        owners = (owner,) if owner is not None and is_told else ()
        others = [m for m in range(len(self.talk.cast)) if m != owner and self.talk.known(m, mention.genders)]
        titled = [m for m in others if words[-1] in self.talk.cast[m].name.lower().split()]
        if titled or owner is None:
            return Reference(mention, tuple(titled[:1]), owners=() if titled else owners)
        own_words = self.talk.cast[owner].name.lower().split()
        family = [m for m in others if self.talk.cast[m].name.lower().split()[-1] == own_words[-1]]
        is_relative = bool(set(own_words) & set(self.talk.lexicon.people.kin))
        met = [m for m in self.talk.present() if m in others]
        found = tuple((family or (met if is_relative or words[-1].endswith("friend") else []))[:1])
        return Reference(mention, found, owners=() if found else owners, doubt=bool(found))


def _owner_genders(word: str, lexicon: Lexicon) -> tuple[Gender, ...]:
    return tuple(gender for gender, forms in lexicon.pronouns.items() if word in forms.possessive)


def _joined(
    text: str, mentions: Sequence[Mention], clauses: Sequence[tuple[int, int]], lexicon: Lexicon
) -> list[tuple[int, int]]:
    """`clauses`, but no new one begins with the second name of "meets Ann and Bo in the park"."""
    found: list[tuple[int, int]] = []
    starts = [mention.start for mention in mentions]
    for start, end in clauses:
        before = mentions[bisect_left(starts, found[-1][0]) : bisect_left(starts, start)] if found else ()
        here = mentions[bisect_left(starts, start) : bisect_left(starts, start + 1)]
        second = next((m for m in here if m.kind == "name" and not m.owner), None)
        if second and before and before[-1].kind == "name" and found[-1][1] == start:
            between = text[before[-1].end : start].strip().lower()
            listed = between in (",", *lexicon.coordinators, *(f", {word}" for word in lexicon.coordinators))
            if listed and len(before) < _LONGEST_LIST and _is_list(text, found[-1][0], before, start, lexicon):
                found[-1] = (found[-1][0], end)
                continue
        other = second or next((m for m in here if m.kind == "kin"), None)
        if other and len(before) > 1 and before[-1].kind in ("name", "kin") and found[-1][1] == start:
            between = text[before[-1].end : start].strip().lower()
            after = re.match(r"\s*([^\W_]*)", text[other.end : end])
            prepositions = {*lexicon.place.at, *lexicon.place.into, *lexicon.place.source, *lexicon.companions, ""}
            if between in lexicon.coordinators and after and after[1].lower() in prepositions:
                found[-1] = (found[-1][0], end)
                continue
        found.append((start, end))
    return found


def _is_list(text: str, start: int, mentions: Sequence[Mention], end: int, lexicon: Lexicon) -> bool:
    """Whether `text[start:end]` holds but names, commas and "and", after at most one word ("Suddenly Ann and")."""
    edges = [mentions[0].end, *(edge for m in mentions[1:] for edge in (m.start, m.end)), end]
    between = " ".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)).lower()
    lead = re.findall(r"\w+", text[start : mentions[0].start])
    return len(lead) <= 1 and all(word in lexicon.coordinators for word in re.findall(r"\w+", between))


def _nameless(
    text: str, clauses: Sequence[tuple[int, int]], acting: Sequence[int], lexicon: Lexicon
) -> tuple[Gender, ...]:
    """The genders of somebody outside the cast who acts, where no article tells: "男が来た"."""
    if lexicon.spaced or acting:
        return ()
    told = "".join(text[start:end] for start, end in clauses)
    return tuple(g for g in ("he", "she") if any(word in told for word in getattr(lexicon.people, g)))


def resolve(
    text: str, mentions: Sequence[Mention], clauses: Sequence[tuple[int, int]], talk: Discourse
) -> tuple[Reference, ...]:
    """Answers the mentions of one unit in order and lets `talk` remember them."""
    resolver = _Resolver(text, talk, mentions)
    for start, end in _joined(text, mentions, clauses, talk.lexicon):
        resolver.clause([mention for mention in mentions if start <= mention.start < end])
    talk.stranger = resolver.stranger or _nameless(text, clauses, resolver.acting, talk.lexicon)
    named = tuple(dict.fromkeys(m for r in resolver.references if r.mention.kind == "name" for m in r.members))
    talk.pair = named if len(named) == 2 else talk.pair
    if resolver.acting:
        talk.subjects = resolver.acting
        talk.alone = len({member for reference in resolver.references for member in reference.members}) == 1
    return tuple(resolver.references)
