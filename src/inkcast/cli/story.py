"""`inkcast script`: a story becomes an editable script.yaml, without drawing; `inkcast styles`: the drawing styles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inkcast.cli.common import AsJson

if TYPE_CHECKING:
    from inkcast.story.names import CastName
    from inkcast.story.parser import ParsedStory

app = typer.Typer(no_args_is_help=True, help="Turn stories into scripts.")


@app.command()
def script(
    story: Annotated[
        str | None,
        typer.Argument(help="A text, Markdown, .fountain, AnyStory .json, a script.yaml, or '-' for standard input."),
    ] = None,
    cast: Annotated[
        list[str] | None, typer.Option("--cast", help="NAME or 'NAME (she)'; what follows a '=' is not needed here.")
    ] = None,
    llm: Annotated[
        str, typer.Option("--llm", help="PROVIDER:MODEL of openai, ollama, vllm, gemini, mistral or cohere.")
    ] = "",
    language: Annotated[str, typer.Option(help="en, de, fr, es, zh or ja; left out: guessed from the story.")] = "",
    title: Annotated[str, typer.Option(help="The title of the comic.")] = "",
    schema: Annotated[bool, typer.Option("--schema", help="Write the JSON schema of script.yaml instead.")] = False,
) -> None:
    """Write the script of a story to standard output; what had to be guessed goes to standard error."""
    from inkcast.cli.inputs import SCRIPTS, naming_lines
    from inkcast.errors import UsageError
    from inkcast.story.script import dump_script, script_json_schema

    if schema:
        typer.echo(json.dumps(script_json_schema(), indent=2, ensure_ascii=False))
        return
    if story is None:
        raise UsageError("no story given: name a text file, or '-' for standard input")
    parsed = read_parsed(story, tuple(cast_name(entry) for entry in cast or ()), llm, language or None)
    if Path(story).suffix.lower() in SCRIPTS:
        from inkcast.drawing.panel_settings import check_settings

        with naming_lines(Path(story)):
            check_settings(parsed.script)
    for warning in parsed.warnings:
        typer.echo(f"note: {warning}", err=True)
    made = parsed.script.model_copy(update={"title": title}) if title else parsed.script
    typer.echo(dump_script(made), nl=False)


def read_parsed(source: str, cast: tuple[CastName, ...], llm: str = "", language: str | None = None) -> ParsedStory:
    """The story file `source` as a script, by its suffix and with the parser asked for."""
    from inkcast.cli.inputs import SCRIPTS, decoded, story_bytes
    from inkcast.story.importers import IMPORTERS, import_story
    from inkcast.story.parser import ParsedStory
    from inkcast.story.script import load_script

    suffix = Path(source).suffix.lower()
    if suffix in SCRIPTS:
        return ParsedStory(load_script(source))
    text = decoded(story_bytes(source), source)
    if llm and suffix not in IMPORTERS:
        from inkcast.story.llm import parse_story_with

        return parse_story_with(llm, text, cast, language=language)
    return import_story(text, source, cast, language=language)


def cast_name(entry: str) -> CastName:
    """`Ann Lee (she)=ann.png` as a name for the parser; the picture is not looked at."""
    from inkcast.cast.names import clean_name, split_pronouns
    from inkcast.cli.inputs import split_description
    from inkcast.story.names import CastName

    words, _ = split_description(entry.partition("=")[0].strip())
    bare, pronouns = split_pronouns(words)
    return CastName(clean_name(bare), pronouns)


@app.command()
def styles(as_json: AsJson = False) -> None:
    """List the drawing styles by group."""
    from inkcast.story.styles import load_styles

    known = load_styles().values()
    if as_json:
        typer.echo(json.dumps([style.model_dump() for style in known], indent=2, ensure_ascii=False))
        return
    for group in dict.fromkeys(style.group for style in known):
        typer.echo(f"{group}: {', '.join(style.name for style in known if style.group == group)}")
