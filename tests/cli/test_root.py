"""The root of the command line: quick, lazy, one line for an error."""

from __future__ import annotations

import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import inkcast.cli as cli
from inkcast.errors import InkcastError, OutputError, UsageError

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "scipy",
    "peft",
    "cv2",
    "sqlalchemy",
    "typst",
    "gradio",
    "numpy",
    "matplotlib",
)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_takes_under_300_ms() -> None:
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = python("from inkcast.cli import main; main(['--help'])")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert result.returncode == 0
    assert all(name in result.stdout for name in cli.COMMANDS)
    assert min(times) < 0.3


@pytest.mark.parametrize("module", sorted({entry.module for entry in cli.COMMANDS.values()}))
def test_command_modules_import_nothing_heavy(module: str) -> None:
    result = python(f"import sys, {module}; sys.exit(' '.join(sorted({set(HEAVY)} & set(sys.modules))))")
    assert result.stderr.strip() == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command = cli.load_command(name)
    assert command.name == name
    assert (command.help or "").startswith(cli.COMMANDS[name].help.rstrip("."))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A command `boom` that raises whatever `failing.error` is."""
    holder = SimpleNamespace(error=InkcastError("nothing"), app=typer.Typer())

    @holder.app.command()
    def boom() -> None:
        raise holder.error

    monkeypatch.setitem(sys.modules, "inkcast.cli.boom", holder)
    monkeypatch.setitem(cli.COMMANDS, "boom", cli.Entry("inkcast.cli.boom", "Fails."))
    return holder


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OutputError("cannot write\n 'x': no"), 1, "inkcast: cannot write 'x': no"),
        (UsageError("two of one"), 2, "inkcast: two of one"),
        (KeyboardInterrupt(), 130, "inkcast: stopped: nothing was changed that is not finished"),
        (FileNotFoundError(2, "No such file", "x.txt"), 1, "inkcast: x.txt: No such file"),
        (
            KeyError("k"),
            1,
            "inkcast: unexpected KeyError: 'k'; run again with inkcast --debug … and report what it shows",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    failing: SimpleNamespace, error: BaseException, code: int, line: str
) -> None:
    failing.error = error
    result = CliRunner().invoke(cli.app, ["boom"])
    assert result.exit_code == code
    assert result.stderr == line + "\n"
    assert result.stdout == ""


def test_debug_lets_the_error_through_wherever_it_stands(
    failing: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.error = OutputError("no room")
    with pytest.raises(OutputError, match="no room"):
        cli.main(["boom", "--debug"])


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["doctor", "--nonsense"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_version() -> None:
    result = python("from inkcast.cli import main; main(['--version'])")
    assert result.stdout.startswith("inkcast 0.")
