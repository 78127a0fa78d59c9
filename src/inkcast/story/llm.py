"""The story parser that asks a language model, by `provider:model`; the offline parser stands in where it fails.

Keys come from the environment only. Providers: `openai` (any OpenAI-compatible server through OPENAI_BASE_URL),
`ollama` and `vllm` (servers of one's own), `gemini`, `mistral`, `cohere`. Needs the extra `llm`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inkcast.errors import MissingExtraError, StoryError
from inkcast.story.importers.plain import import_plain
from inkcast.story.lexicon import Lexicon, detect_language, load_lexicon
from inkcast.story.llm_rules import INSTRUCTIONS, complaints, request
from inkcast.story.names import CastName
from inkcast.story.parser import ParsedStory, Warning, clean_story
from inkcast.story.script import Script

if TYPE_CHECKING:
    from pydantic_ai import Agent
    from pydantic_ai.models import Model

SECONDS = 120.0
RETRIES = 3


@dataclass(frozen=True)
class Provider:
    """Where a provider's key is found in the environment (none needed if empty), and its usual address."""

    keys: tuple[str, ...]
    make: Callable[[str, str | None, float], Model]


def parse_story_with(
    model: str | Model,
    text: str,
    cast: Sequence[CastName],
    *,
    language: str | None = None,
    retries: int = RETRIES,
    seconds: float = SECONDS,
) -> ParsedStory:
    """Like `parse_story`, by the language model `provider:model`.

    The answer must be a `Script` whose names are in the cast, without pronouns in descriptions, in the story's
    order and with nothing left out; the model is told what is wrong up to `retries` times. If it then still fails,
    does not answer within `seconds` or cannot be reached, the offline parser's result is returned with a warning
    that says so.

    Raises:
        StoryError: `model` names no known provider, its key is not in the environment, or the story is unusable.
        CastError: a cast name is empty, too long or there twice.
        MissingExtraError: pydantic-ai is not installed.
    """
    offline = import_plain(text, cast, language=language)
    lexicon = load_lexicon(language or detect_language(text))
    name = model if isinstance(model, str) else model.model_name
    agent = _make_agent(make_model(model, seconds) if isinstance(model, str) else model, cast, lexicon, retries)
    try:
        script = _run(agent, clean_story(text), cast, seconds)
    except _failures() as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        note = Warning("", f"the language model '{name}' gave no usable script ({reason}); parsed offline instead")
        return replace(offline, warnings=(note, *offline.warnings))
    title = script.title or offline.script.title
    return ParsedStory(script.model_copy(update={"title": title}), (), (), offline.text)


def make_model(name: str, seconds: float = SECONDS) -> Model:
    """The model called `provider:model`. Raises StoryError where the provider is unknown or its key is missing."""
    kind, separator, model = name.partition(":")
    provider = PROVIDERS.get(kind.strip().lower())
    if provider is None or not separator or not model.strip():
        raise StoryError(f"no language model '{name}': write PROVIDER:MODEL with one of {', '.join(PROVIDERS)}")
    key = next((os.environ[variable] for variable in provider.keys if os.environ.get(variable)), None)
    if provider.keys and key is None:
        raise StoryError(f"the language model '{name}' needs a key: set the environment variable {provider.keys[0]}")
    try:
        return provider.make(model.strip(), key, seconds)
    except ImportError as error:
        raise MissingExtraError("pydantic-ai-slim", "llm", f"the language model '{name}'") from error


def _openai(model: str, key: str | None, seconds: float) -> Model:
    return _compatible(model, key or "", os.environ.get("OPENAI_BASE_URL"), seconds)


def _ollama(model: str, key: str | None, seconds: float) -> Model:
    return _compatible(model, "none", os.environ.get("OLLAMA_BASE_URL") or "http://localhost:11434/v1", seconds)


def _vllm(model: str, key: str | None, seconds: float) -> Model:
    address = os.environ.get("VLLM_BASE_URL") or "http://localhost:8000/v1"
    return _compatible(model, os.environ.get("VLLM_API_KEY") or "none", address, seconds)


def _compatible(model: str, key: str, address: str | None, seconds: float) -> Model:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(api_key=key, base_url=address, timeout=seconds, max_retries=1)
    return OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))


def _gemini(model: str, key: str | None, seconds: float) -> Model:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    return GoogleModel(model, provider=GoogleProvider(api_key=key or ""))


def _mistral(model: str, key: str | None, seconds: float) -> Model:
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    return MistralModel(model, provider=MistralProvider(api_key=key or ""))


def _cohere(model: str, key: str | None, seconds: float) -> Model:
    from pydantic_ai.models.cohere import CohereModel
    from pydantic_ai.providers.cohere import CohereProvider

    return CohereModel(model, provider=CohereProvider(api_key=key or ""))


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(("OPENAI_API_KEY",), _openai),
    "ollama": Provider((), _ollama),
    "vllm": Provider((), _vllm),
    "gemini": Provider(("GEMINI_API_KEY", "GOOGLE_API_KEY"), _gemini),
    "mistral": Provider(("MISTRAL_API_KEY",), _mistral),
    "cohere": Provider(("CO_API_KEY", "COHERE_API_KEY"), _cohere),
}


def _make_agent(model: Model, cast: Sequence[CastName], lexicon: Lexicon, retries: int) -> Agent[str, Script]:
    from pydantic_ai import Agent, ModelRetry, RunContext

    agent = Agent(model, output_type=Script, instructions=INSTRUCTIONS, deps_type=str, retries=retries)

    @agent.output_validator
    def check(context: RunContext[str], script: Script) -> Script:
        found = complaints(script, context.deps, cast, lexicon)
        if found:
            raise ModelRetry("\n".join(found[:8]))
        return script

    return agent


def _run(agent: Agent[str, Script], text: str, cast: Sequence[CastName], seconds: float) -> Script:
    async def ask() -> Script:
        answer = await asyncio.wait_for(agent.run(request(text, cast), deps=text), seconds)
        return answer.output

    with ThreadPoolExecutor(1) as pool:  # a thread of its own, since the caller may be inside an event loop
        return pool.submit(asyncio.run, ask()).result()


def _failures() -> tuple[type[BaseException], ...]:
    """What a model, its server or the network can do wrong."""
    from pydantic_ai.exceptions import AgentRunError

    failures: list[Any] = [AgentRunError, TimeoutError, ConnectionError]
    try:
        from httpx import HTTPError
        from openai import OpenAIError

        failures += [HTTPError, OpenAIError]
    except ImportError:
        pass
    return tuple(failures)
