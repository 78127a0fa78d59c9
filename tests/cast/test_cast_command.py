"""`inkcast cast`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from people import picture
from PIL import Image
from typer.testing import CliRunner, Result

from inkcast.cli import app, load_command

DOCUMENT = Path(__file__).parents[2] / "docs" / "cast.md"
NAME = "Ann/Lee 🦊"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INKCAST_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        Path(f"{number}.png").write_bytes(picture(number))
    return tmp_path / "home"


def cast(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cast", *arguments])


def told(result: Result) -> str:
    """The one line of an error."""
    assert result.exit_code in (1, 2), result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_from_the_first_picture_to_the_last(home: Path) -> None:
    assert "Nobody yet" in ok(cast("list"))
    added = cast(
        "add", f"{NAME} (she)", "1.png", "--alias", "Annie", "--outfit", "armour=of steel", "--consent", "mine"
    )
    assert ok(added) == f"{NAME} (she), also Annie: 1 picture\n"
    assert ok(cast("add", "annie", "2.png", "--view", "side", "--state", "armour", "--mask", "1.png")).endswith(
        "2 pictures\n"
    )
    details = ok(cast("show", "ANNIE"))
    assert "outfit armour: of steel" in details
    assert "picture 1: front, 1.png, may be used: mine" in details
    assert "picture 2: side, armour, 2.png" in details
    assert "with mask" in details
    assert ok(cast("remove", "annie", "--picture", "1")).endswith(": 1 picture\n")
    assert ok(cast("remove", "annie")) == f"Removed {NAME}.\n"
    assert json.loads(ok(cast("list", "--json"))) == []
    assert {path.name for path in home.iterdir()} >= {"cast.sqlite3", "cast-pictures"}


def test_a_mask_that_shows_nobody_is_refused() -> None:
    with Image.open("1.png") as shown:
        Image.new("L", shown.size).save("black.png")
    assert told(cast("add", "Ann", "1.png", "--mask", "black.png")) == (
        "inkcast: the mask of picture '1.png' has no white: paint the character white and the rest black, "
        "or leave the mask out"
    )
    assert "Nobody yet" in ok(cast("list"))


def test_names_and_words_change_in_place() -> None:
    ok(cast("add", "Ann (she)", "1.png", "--alias", "Annie", "--alias", "A"))
    ok(cast("add", "Bo", "2.png"))
    changed = cast("edit", "annie", "--name", "Anna", "--alias", "Nan", "--no-alias", "ANNIE", "--description", "red")
    assert ok(changed) == "Anna (she), also A, Nan: 1 picture\n"
    assert "red" in ok(cast("show", "nan"))
    assert ok(cast("edit", "Anna", "--pronouns", "")) == "Anna, also A, Nan: 1 picture\n"
    assert ok(cast("edit", "Anna", "--name", "Nan")) == "Nan, also A: 1 picture\n"
    assert told(cast("edit", "Nan", "--name", "bo")) == "inkcast: the name 'bo' belongs to 'Bo' already; choose another"
    assert "no alias 'Annie'" in told(cast("edit", "Nan", "--no-alias", "Annie"))
    assert "nobody in the cast library" in told(cast("show", "Annie"))
    assert ok(cast("show", "a")).startswith("Nan, also A: 1 picture")


def test_list_and_show_as_json() -> None:
    ok(cast("add", NAME, "1.png", "--pronouns", "they", "--description", "red hair"))
    (listed,) = json.loads(ok(cast("list", "--json")))
    assert (listed["name"], listed["pronouns"], listed["description"]) == (NAME, "they", "red hair")
    assert listed["references"][0]["source"] == "1.png"
    assert json.loads(ok(cast("show", NAME, "--json"))) == listed


def test_out_to_a_file_and_in_again() -> None:
    ok(cast("add", f"{NAME} (she)", "1.png", "2.png", "--alias", "Annie"))
    before = json.loads(ok(cast("show", NAME, "--json")))
    ok(cast("export", "annie", "ann.inkcast"))
    assert "exists already" in told(cast("export", "annie", "ann.inkcast"))
    ok(cast("export", "annie", "ann.inkcast", "--overwrite"))
    assert "in the cast library already" in told(cast("import", "ann.inkcast"))
    assert ok(cast("import", "ann.inkcast", "--as", "Bob")) == "Bob (she): 2 pictures\n"
    ok(cast("remove", "annie"))
    ok(cast("import", "ann.inkcast"))
    after = json.loads(ok(cast("show", NAME, "--json")))
    assert {**after, "id": ""} == {**before, "id": ""}


def test_embeddings_come_in_by_pairs() -> None:
    torch.save(torch.zeros(1, 2, 768), "Mira_Stone_1.pt")
    torch.save(torch.zeros(1, 2, 1280), "Mira_Stone_2.pt")
    assert ok(cast("import", "Mira_Stone_1.pt", "Mira_Stone_2.pt")) == "Mira Stone: 0 pictures, 1 identity\n"
    assert "identity for stable-identity by imported-sdxl:" in ok(cast("show", "mira stone"))
    assert "one half" in told(cast("import", "Mira_Stone_1.pt"))


def test_importing_several_is_all_or_nothing() -> None:
    ok(cast("add", NAME, "1.png"))
    ok(cast("export", NAME, "ann.inkcast"))
    ok(cast("remove", NAME))
    Path("junk.inkcast").write_bytes(b"junk")
    assert "junk.inkcast' is no character file" in told(cast("import", "ann.inkcast", "junk.inkcast"))
    assert "in the cast library already" in told(cast("import", "ann.inkcast", "ann.inkcast"))
    assert json.loads(ok(cast("list", "--json"))) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "Ann", "none.png"], 1, "'none.png' does not exist"),
        (["add", "Ann"], 1, "at least one picture"),
        (["add", "  ", "1.png"], 1, "is empty"),
        (["add", "Ann", "1.png", "--view", "top"], 1, "view 'top' is not known"),
        (["add", "Ann", "1.png", "--pronouns", "xe"], 1, "pronouns 'xe' are not known"),
        (["add", "Ann", "1.png", "2.png", "--mask", "1.png"], 2, "--mask fits one picture"),
        (["add", "Ann", "1.png", "--alias", "a\nb\x00"], 1, "control character"),
        (["show", "Nobody"], 1, "nobody in the cast library is called 'Nobody'"),
        (["remove", "Nobody"], 1, "nobody"),
        (["export", "Nobody", "n.inkcast"], 1, "nobody"),
        (["import", "none.inkcast"], 1, "does not exist"),
        (["import", "1.png", "2.png", "--as", "Ann"], 1, "no character file"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], code: int, words: str) -> None:
    result = cast(*arguments)
    assert words in told(result)
    assert result.exit_code == code
    assert json.loads(ok(cast("list", "--json"))) == []
    assert not Path("n.inkcast").exists()


def test_a_terminal_is_not_steered_by_a_name() -> None:
    ok(cast("add", "\u202eevil", "1.png", "--description", "two\nlines\x09tab"))
    assert "\u202e" not in ok(cast("list"))
    assert all(character.isprintable() or character == "\n" for character in ok(cast("show", "evil")))


def test_the_library_is_where_the_setting_says(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ok(cast("add", "Elsewhere", "1.png"))
    monkeypatch.setenv("INKCAST_DATABASE_URL", url)
    assert json.loads(ok(cast("list", "--json"))) == []
    ok(cast("add", NAME, "1.png"))
    assert ok(cast("list")) == f"{NAME}: 1 picture\n"


def test_every_command_and_option_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, command in load_command("cast").commands.items():
        assert f"inkcast cast {name}" in text
        assert command.help
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert f"`{parameter.opts[0]}" in text, (name, parameter.opts)
                assert parameter.help
