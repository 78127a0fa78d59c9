"""DreamBench (DreamBooth's subjects) as a suite, read from its folder as it is distributed.

That is `SUBJECT/*.jpg` for each of 30 subjects and `prompts_and_classes.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inkcast.errors import UsageError
from inkcast.evaluation.protocols import PLACEHOLDER, Person, character_from, commission_of, pictures_in, read_words
from inkcast.evaluation.suites import Commission, Suite
from inkcast.files import shown
from inkcast.toon.captions import with_article

LIST = "prompts_and_classes.txt"
LIVE = ("cat", "dog")
_PROMPT = re.compile(r"""^\s*['"](?P<words>.*\{0\}.*\{1\}.*)['"]\.format""")
_CLASS = re.compile(r"^(?P<subject>[\w-]+)\s*,\s*(?P<noun>[\w -]+)$")


@dataclass(frozen=True)
class DreamBenchList:
    """What `prompts_and_classes.txt` says: a class per subject, and prompts with `{}` where the subject stands."""

    classes: Mapping[str, str]
    objects: tuple[str, ...]
    live: tuple[str, ...]

    def prompts(self, noun: str) -> tuple[str, ...]:
        return self.live if noun in LIVE else self.objects


def read_dreambench_list(path: Path) -> DreamBenchList:
    """Raises `UsageError` naming the file if classes or prompts are missing."""
    if not path.is_file():
        raise UsageError(f"{shown(path)} is missing: it is part of DreamBench and lists classes and prompts")
    classes: dict[str, str] = {}
    prompts: dict[str, list[str]] = {"object": [], "live": []}
    section = ""
    for line in read_words(path).splitlines():
        heading = line.strip().lower()
        if heading in ("classes", "object prompts", "live subject prompts"):
            section = heading.split()[0]
        elif section == "classes" and (entry := _CLASS.match(line.strip())) and entry["subject"] != "subject_name":
            classes[entry["subject"]] = entry["noun"].strip()
        elif section in prompts and (entry := _PROMPT.match(line)):
            # "a {0} {1} in the snow": the unique token falls away, the article belongs to the noun
            prompts[section].append(re.sub(r"(?:\ban? )?\{0\} \{1\}", "{}", entry["words"]))
    if not classes or not all(prompts.values()):
        raise UsageError(f"{shown(path)} lists no classes, or no prompts for objects and live subjects: get it again")
    return DreamBenchList(classes, tuple(prompts["object"]), tuple(prompts["live"]))


def dreambench_suite(folder: Path, seed: int, images: int = 4, limit: int | None = None) -> Suite:
    """Every subject under the 25 prompts of its sort; colours and shapes ("a red {}") keep their place in the noun.

    Raises `UsageError` for a folder without the list or its subjects, `PictureError` for a broken picture.
    """
    listed = read_dreambench_list(folder / LIST)
    subjects = [name for name in sorted(listed.classes) if (folder / name).is_dir() and pictures_in(folder / name)]
    if not subjects:
        raise UsageError(f"{shown(folder)} holds none of the subjects that {LIST} lists: put their folders there")
    commissions: list[Commission] = []
    for name in subjects[:limit]:
        noun = listed.classes[name]
        character = character_from(name, pictures_in(folder / name))
        for number, prompt in enumerate(listed.prompts(noun)):
            for image in range(images):
                person = Person(character, called(noun, prompt))
                commissions.append(commission_of([person], prompt, f"{name}/{number}/{image}", seed))
    return Suite(
        "dreambench",
        tuple(commissions),
        f"DreamBench (arXiv 2208.12242): {len(subjects[:limit])} subjects x 25 prompts x {images} pictures, all "
        "pictures of a subject as references.",
    )


def called(noun: str, prompt: str) -> str:
    """ "a dog"; but "dog" where the prompt has words before it ("a red {}")."""
    if prompt.partition(PLACEHOLDER)[0].strip():
        return noun
    return with_article(noun)
