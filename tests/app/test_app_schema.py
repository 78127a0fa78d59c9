"""The OpenAPI document is complete, and requests made up from it meet no server error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from tests.app.studio_kit import add_character, studio_client

from inkcast.app.problems import MEDIA_TYPE

EXAMPLES = 6
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
]
ON_CONTENT = [schemathesis.checks.response_schema_conformance]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKCAST_STUDIO_REQUESTS_PER_MINUTE", "1000000")
        patch.setenv("INKCAST_STUDIO_HOSTS", "127.0.0.1,testserver")
        with studio_client(tmp_path_factory.mktemp("studio")) as found:
            add_character(found, "Ann")
            yield found


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def api(client: TestClient) -> Any:
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", client.app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_is_described_with_its_answers_and_problems(document: dict[str, Any]) -> None:
    seen = set()
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["operationId"] not in seen, name
        seen.add(operation["operationId"])
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == [MEDIA_TYPE], (name, status)
        assert any(int(status) < 300 for status in operation["responses"]), name
        if "{" in name:
            assert "404" in operation["responses"], name


def test_every_body_that_is_sent_has_an_example(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        content = operation.get("requestBody", {"content": {}})["content"]
        if "application/json" in content:
            sent = content["application/json"]["schema"]
            known = schemas.get(sent.get("$ref", "").rpartition("/")[2], {})
            assert sent.get("examples") or known.get("examples"), name


def test_requests_made_up_from_the_document_are_answered_as_it_says(api: Any) -> None:
    tried = set()
    for found in api.get_all_operations():
        operation = found.ok()
        # Its answers are YAML, which schemathesis reads by another library than ours, and more strictly.
        excluded = ON_CONTENT if operation.label == "POST /scripts/yaml" else []
        answered_as_said(operation, [check for check in CHECKS if check not in excluded])
        tried.add(operation.label)
    assert {"GET /characters", "POST /scripts/parse", "POST /comics", "GET /jobs/{job_id}/events"} <= tried


def answered_as_said(operation: Any, checks: list[Any]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def answered(case: Any) -> None:
        case.call_and_validate(checks=checks)

    answered()
