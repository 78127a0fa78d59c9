"""Writes docs/cli.md from the command line's own help texts, the settings and the engines.

--check only says whether the file is in step.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inkcast.cli import COMMANDS, load_command
from inkcast.config import PREFIX, Settings
from inkcast.engines.registry import ENGINES
from inkcast.page.patterns import LAYOUTS
from inkcast.sampling.schedulers import SCHEDULERS
from inkcast.story.styles import load_styles

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# The command line

Written from the help texts by `make docs`: change those, not this file.

Errors are one line on standard error: what is wrong, which value, what to do. Exit codes: 0 done, 1 an error, 2 a
wrong command line, 130 stopped by Ctrl-C. `inkcast --debug COMMAND …` shows the traceback of an error.
"""


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.name.upper()}{'…' if parameter.nargs == -1 else ''}`"
    else:
        name = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    default = "" if parameter.default is None or parameter.default is False else str(parameter.default)
    return f"| {name} | {cell(parameter.help or '')} | {'required' if parameter.required else cell(default)} |"


def command_page(title: str, command: Any, level: int) -> Iterator[str]:
    yield f"{'#' * level} {title}\n\n{(command.help or '').strip()}\n"
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    if shown:
        yield "| argument | meaning | default |\n|---|---|---|\n" + "\n".join(map(parameter_row, shown)) + "\n"
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_page(f"{title} {name}", inner, level + 1)


def settings_page() -> Iterator[str]:
    yield "## Settings\n\nEnvironment variables, all optional.\n"
    rows = [
        f"| `{PREFIX}{name.upper()}` | {cell(field.description or '')} | {default} |"
        for name, field in Settings.model_fields.items()
        for default in ["" if field.default_factory else field.default]
    ]
    yield "| variable | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def engines_page() -> Iterator[str]:
    yield "## Engines\n\nNames for `--engine`.\n"
    rows = [f"| `{info.name}` | {cell(info.title)} | {cell(info.source)} | {cell(info.weights)} |" for info in ENGINES]
    yield "| engine | method | source | weights |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def names_page() -> Iterator[str]:
    yield "## Styles\n\nNames for `--style`, by group.\n"
    groups: dict[str, list[str]] = {}
    for style in load_styles().values():
        groups.setdefault(style.group, []).append(f"`{style.name}`")
    yield "\n".join(f"- {group}: {', '.join(names)}" for group, names in groups.items()) + "\n"
    yield "## Layouts\n\nNames for `--layout`.\n"
    yield "\n".join(f"- `{layout.name}`: {layout.about}" for layout in LAYOUTS.values()) + "\n"
    yield f"## Schedulers\n\nNames for `--scheduler`: {', '.join(f'`{name}`' for name in SCHEDULERS)}.\n"


def page() -> str:
    parts = [HEAD]
    for name in COMMANDS:
        parts += command_page(f"inkcast {name}", load_command(name), 2)
    parts += [*engines_page(), *names_page(), *settings_page()]
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    sys.stderr.write(f"{PAGE} is out of step with the help texts: run  make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
