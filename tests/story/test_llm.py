"""The language-model parser over HTTP: good, malformed, slow and failing servers."""

from __future__ import annotations

import json

import pytest
from tests.story.openai_server import Reply, openai_server

from inkcast.errors import StoryError
from inkcast.story.llm import make_model, parse_story_with
from inkcast.story.parser import CastName, parse_story

pydantic_ai = pytest.importorskip("pydantic_ai", reason="the extra 'llm' is not installed")
pytest.importorskip("openai", reason="the extra 'llm' is not installed")

STORY = 'Ann Lee meets Bo in the park. She gives him an apple. "Thank you!" says Bo.'
CAST = (CastName("Ann Lee", "she"), CastName("Bo", "he"))
GOOD = {
    "title": "The apple",
    "panels": [
        {
            "description": "Ann Lee meets Bo in the park",
            "characters": [{"name": "Ann Lee"}, {"name": "Bo"}],
            "place": "park",
            "caption": "Ann Lee meets Bo in the park.",
        },
        {
            "description": "Ann Lee gives Bo an apple",
            "characters": [{"name": "Ann Lee"}, {"name": "Bo"}],
            "place": "park",
            "caption": "She gives him an apple.",
        },
        {
            "description": "Bo smiles and says thank you",
            "characters": [{"name": "Bo"}],
            "place": "park",
            "dialogue": [{"speaker": "Bo", "text": "Thank you!"}],
        },
    ],
}


@pytest.fixture(autouse=True)
def _a_key_and_only_local_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-test")
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)


def changed(**panel: object) -> str:
    """The good script with its second panel changed."""
    panels = [dict(entry) for entry in GOOD["panels"]]  # type: ignore[arg-type]
    panels[1] = {**panels[1], **panel}
    return json.dumps({**GOOD, "panels": panels})


def ask(monkeypatch: pytest.MonkeyPatch, *replies: Reply, **options: object):
    with openai_server(replies) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        return parse_story_with("openai:tiny", STORY, CAST, **options), server  # type: ignore[arg-type]


def test_a_good_answer_is_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, server = ask(monkeypatch, Reply(json.dumps(GOOD)))
    assert parsed.script.title == "The apple"
    assert [panel.description for panel in parsed.script.panels] == [p["description"] for p in GOOD["panels"]]  # type: ignore[index]
    assert parsed.warnings == ()
    assert len(server.requests) == 1
    sent = json.dumps(server.requests[0]["messages"])
    assert "Ann Lee (she)" in sent
    assert "She gives him an apple." in sent
    assert server.keys == ["Bearer key-of-the-test"]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("this is no JSON", "JSON"),
        (json.dumps({"panels": [{"pictures": "?"}]}), "description"),
        (changed(characters=[{"name": "Taylor"}]), "not in the cast"),
        (changed(description="She gives Bo an apple"), "Write the full name"),
        (json.dumps({**GOOD, "panels": GOOD["panels"][::-1]}), "out of order"),  # type: ignore[index]
        (json.dumps({**GOOD, "panels": GOOD["panels"][:1]}), "leaves out"),  # type: ignore[index]
        (json.dumps({"panels": []}), "no panels"),
        (changed(pose="/etc/passwd"), "Leave pose empty"),
        (changed(characters=[{"name": "Bo", "mask": "/etc/passwd"}]), "Leave mask empty"),
    ],
)
def test_a_bad_answer_is_sent_back_with_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, bad: str, complaint: str
) -> None:
    parsed, server = ask(monkeypatch, Reply(bad), Reply(json.dumps(GOOD)))
    assert parsed.script.title == "The apple"
    assert len(server.requests) == 2
    assert complaint in json.dumps(server.requests[1]["messages"])


def test_answers_that_stay_bad_fall_back_to_the_offline_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, server = ask(monkeypatch, Reply("{}"), retries=2)
    assert parsed.script == parse_story(STORY, CAST).script
    assert "'tiny'" in str(parsed.warnings[0]) or "openai:tiny" in str(parsed.warnings[0])
    assert "parsed offline instead" in str(parsed.warnings[0])
    assert len(server.requests) == 3


def test_a_slow_server_falls_back_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, _ = ask(monkeypatch, Reply(json.dumps(GOOD), delay=1.2), seconds=0.3)
    assert parsed.script == parse_story(STORY, CAST).script
    assert "parsed offline instead" in str(parsed.warnings[0])


@pytest.mark.parametrize("status", [401, 500])
def test_a_failing_server_falls_back(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    parsed, _ = ask(monkeypatch, Reply(status=status))
    assert parsed.script == parse_story(STORY, CAST).script
    assert str(status) in str(parsed.warnings[0])


def test_an_absent_server_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:9/v1")
    parsed = parse_story_with("ollama:tiny", STORY, CAST, seconds=5)
    assert parsed.script == parse_story(STORY, CAST).script
    assert "ollama:tiny" in str(parsed.warnings[0])


def test_own_servers_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with openai_server([Reply(json.dumps(GOOD))]) as server:
        monkeypatch.setenv("VLLM_BASE_URL", server.url)
        assert parse_story_with("vllm:tiny", STORY, CAST).script.title == "The apple"


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(StoryError, match="OPENAI_API_KEY"):
        make_model("openai:tiny")


@pytest.mark.parametrize("name", ["tiny", "nobody:tiny", "openai:", ":tiny"])
def test_an_unknown_model_lists_the_providers(name: str) -> None:
    with pytest.raises(StoryError, match="openai, ollama, vllm, gemini, mistral, cohere"):
        make_model(name)


@pytest.mark.parametrize(
    ("kind", "variable"), [("gemini", "GEMINI_API_KEY"), ("mistral", "MISTRAL_API_KEY"), ("cohere", "CO_API_KEY")]
)
def test_every_provider_takes_its_key_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, kind: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "a-key")
    pytest.importorskip(
        {"gemini": "google.genai", "mistral": "mistralai", "cohere": "cohere"}[kind],
        reason=f"the package of {kind} is not installed",
    )
    assert make_model(f"{kind}:tiny").model_name == "tiny"
