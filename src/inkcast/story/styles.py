"""Drawing styles: words added to a prompt and to its negative prompt. Data files; users add their own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from inkcast.config import settings
from inkcast.errors import StoryError


class Style(BaseModel):
    """`prompt` follows a panel's description, `negative` joins the negative prompt, `group` sorts lists of styles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    group: str
    prompt: str
    negative: str = ""


def load_styles(folders: Sequence[Path] | None = None) -> Mapping[str, Style]:
    """The shipped styles by name, then those of every `*.yaml` in `folders`; a later one of the same name wins.

    Without `folders`, those of the folder `styles` in the user's data folder.

    Raises StoryError for a style file that cannot be read, naming file and field.
    """
    styles = dict(_shipped())
    for folder in (settings().home / "styles",) if folders is None else folders:
        for path in sorted(Path(folder).glob("*.yaml")):
            styles.update(_read(_text_of(path), str(path)))
    return styles


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise StoryError(f"style file {path}: cannot be read: {reason}") from error


def get_style(name: str, folders: Sequence[Path] | None = None) -> Style:
    """The style called `name` (case and `_` or spaces for `-` do not matter). Raises StoryError listing near names."""
    styles = load_styles(folders)
    key = name.strip().lower().replace(" ", "-").replace("_", "-")
    if key in styles:
        return styles[key]
    near = difflib.get_close_matches(key, styles, n=3, cutoff=0.5) or sorted(styles)
    raise StoryError(f"no style called '{name}': choose one of {', '.join(near)}")


@cache
def _shipped() -> dict[str, Style]:
    found: dict[str, Style] = {}
    folder = resources.files("inkcast.story").joinpath("style_files")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            found.update(_read(file.read_text(encoding="utf-8"), file.name))
    return found


def _read(text: str, source: str) -> dict[str, Style]:
    """A style file: `group: NAME` and `styles: {NAME: {prompt, negative}}`."""
    try:
        document = YAML(typ="safe").load(text)
        group = document["group"]
        entries = document["styles"].items()
        return {name: Style(name=name, group=group, **entry) for name, entry in entries}
    except ValidationError as error:
        first = error.errors()[0]
        raise StoryError(f"style file {source}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise StoryError(f"style file {source}: needs 'group' and 'styles' with a prompt each ({error})") from error
