"""Stories into scripts, and scripts checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict, Field

from inkcast.app.allowed import check_llm
from inkcast.app.api.caller import Signed
from inkcast.app.api.models import example
from inkcast.app.safety import check_words
from inkcast.cast.names import LONGEST_NAME
from inkcast.drawing.panel_settings import check_settings
from inkcast.errors import SettingError, StoryError
from inkcast.story.importers import import_story
from inkcast.story.names import CastName
from inkcast.story.parser import LONGEST_STORY
from inkcast.story.script import Script, dump_script, script_json_schema
from inkcast.story.script_file import LONGEST_FILE, line_in, parse_script

router = APIRouter(prefix="/scripts", tags=["scripts"])

SUFFIXES = {"text": ".txt", "markdown": ".md", "fountain": ".fountain", "any-story": ".json"}
SCRIPT_EXAMPLE: dict[str, Any] = {
    "version": 1,
    "title": "A walk",
    "panels": [
        {
            "description": "Ann Lee walks in the park",
            "characters": [{"name": "Ann Lee", "box": [0.1, 0.1, 0.5, 1.0]}],
            "dialogue": [{"speaker": "Ann Lee", "text": "What a day!"}],
        }
    ],
}


class Member(BaseModel):
    """Somebody the story may name."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    pronouns: str = Field(default="", max_length=40)
    aliases: list[str] = Field(default_factory=list, max_length=100)


class StoryModel(BaseModel):
    """A story to be read. Without `cast`, everybody in the caller's library may be in it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "story": "Ann Lee walks in the park. \u201cWhat a day!\u201d she says.",
                    "cast": [{"name": "Ann Lee", "pronouns": "she"}],
                }
            ]
        },
    )

    story: str = Field(min_length=1, max_length=LONGEST_STORY)
    form: Literal["text", "markdown", "fountain", "any-story"] = "text"
    cast: list[Member] | None = Field(default=None, max_length=200)
    language: Literal["en", "de", "fr", "es", "zh", "ja"] | None = None
    title: str = Field(default="", max_length=LONGEST_NAME)
    llm: str = Field(
        default="",
        max_length=200,
        description="PROVIDER:MODEL of a language model to read with, where the studio has its key; else rules read.",
    )


class NoteModel(BaseModel):
    """Something the parser had to choose; an empty sentence means the whole story."""

    sentence: str
    message: str


class ParsedModel(BaseModel):
    """A script, what was unclear on the way, and which part of the story (start, end) made each panel."""

    model_config = example({"script": SCRIPT_EXAMPLE, "notes": [], "sources": [[0, 27]]})

    script: Script
    notes: list[NoteModel]
    sources: list[tuple[int, int]]


class ScriptText(BaseModel):
    """A script.yaml."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"yaml": "panels:\n  - description: Ann Lee walks\n"}]}
    )

    yaml: str = Field(max_length=LONGEST_FILE)


class Checked(BaseModel):
    """Whether a script.yaml is one; `problem` says what is wrong, and in which line."""

    model_config = example({"valid": True, "problem": "", "script": SCRIPT_EXAMPLE})

    valid: bool
    problem: str = ""
    script: Script | None = None


@router.post("/parse", summary="Read a story")
def parse(caller: Signed, story: StoryModel) -> ParsedModel:
    """A story becomes a script: one panel a sentence, quotations as balloons. Nothing is stored."""
    check_words(story.story, "the story")
    cast = _cast(caller, story.cast)
    if story.llm:
        from inkcast.story.llm import parse_story_with

        check_llm(story.llm, caller.studio)
        parsed = parse_story_with(story.llm, story.story, cast, language=story.language)
    else:
        parsed = import_story(story.story, f"story{SUFFIXES[story.form]}", cast, language=story.language)
    script = parsed.script.model_copy(update={"title": story.title}) if story.title else parsed.script
    notes = [NoteModel(sentence=each.sentence, message=each.message) for each in parsed.warnings]
    return ParsedModel(script=script, notes=notes, sources=list(parsed.sources))


@router.post("/validate", summary="Check a script.yaml")
def validate(caller: Signed, text: ScriptText) -> Checked:
    """What is wrong with a script is an answer here, not an error."""
    try:
        script = parse_script(text.yaml)
        check_settings(script)
        return Checked(valid=True, script=script)
    except SettingError as error:
        return Checked(valid=False, problem=f"script line {line_in(text.yaml, error.where)}: {error}")
    except StoryError as error:
        return Checked(valid=False, problem=str(error))


@router.post(
    "/yaml",
    summary="A script as YAML",
    response_class=Response,
    responses={200: {"content": {"application/yaml": {"schema": {"$ref": "#/components/schemas/Script"}}}}},
)
def as_yaml(caller: Signed, script: Annotated[Script, Body(examples=[SCRIPT_EXAMPLE])]) -> Response:
    """The script.yaml that `inkcast make` reads."""
    return Response(dump_script(script), media_type="application/yaml")


@router.get("/schema", summary="The schema of scripts")
def schema(caller: Signed) -> dict[str, Any]:
    """The JSON schema of script.yaml, for editors."""
    return script_json_schema()


def _cast(caller: Signed, members: list[Member] | None) -> list[CastName]:
    if members is not None:
        return [CastName(member.name, member.pronouns, tuple(member.aliases)) for member in members]
    return [CastName(entry.name, entry.pronouns, entry.aliases) for entry in caller.library.entries()]
