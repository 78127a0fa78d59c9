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
    note = "required" if parameter.required else "" if parameter.default in (None, "", False, ()) else parameter.default
    return f"| {name} | {cell(parameter.help or '')} | {cell(str(note() if callable(note) else note))} |"


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
        f"| `{PREFIX}{name.upper()}` | {cell(field.description or '')} | {field.default if field.default else ''} |"
        for name, field in Settings.model_fields.items()
    ]
    yield "| variable | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def engines_page() -> Iterator[str]:
    yield "## Engines\n\nNames for `--engine`.\n"
    rows = [f"| `{info.name}` | {cell(info.title)} | {cell(info.source)} | {cell(info.weights)} |" for info in ENGINES]
    yield "| engine | method | source | weights |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def page() -> str:
    parts = [HEAD]
    for name in COMMANDS:
        parts += command_page(f"inkcast {name}", load_command(name), 2)
    parts += [*settings_page(), *engines_page()]
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
