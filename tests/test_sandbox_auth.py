"""Who may import into the sandbox: the API's ways of authentication, and restricted credentials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_sandbox import basic, config, event, ndjson, post

from mpimport.sandbox import Sandbox, SandboxConfig


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/import?project_id=1", basic("name:secret"), 200),
        ("/import?project_id=1", {"Authorization": "basic " + basic("a:b")["Authorization"][6:]}, 200),
        ("/import", basic("name:secret"), 401),
        ("/import?project_id=", basic("name:secret"), 401),
        ("/import", basic("project secret:"), 200),
        ("/import?project_id=1", basic("project secret:"), 200),
        ("/import?project_id=1", basic(":"), 401),
        ("/import?project_id=1", basic(":secret"), 401),
        ("/import?project_id=1", basic("nocolon"), 401),
        ("/import?project_id=1", {"Authorization": "Basic !!!"}, 401),
        ("/import?project_id=1", {"Authorization": "Basic /w=="}, 401),
        ("/import?project_id=1", {"Authorization": "Bearer abc"}, 401),
        ("/import?project_id=1", {"Authorization": ""}, 401),
    ],
)
def test_authentication(sandbox: Sandbox, path: str, headers: dict[str, str], status: int) -> None:
    answer = post(sandbox, ndjson([event()]), path, headers)

    assert answer.status == status
    if status == 401:
        assert answer.json == {"code": 401, "error": "Invalid credentials", "status": "Unauthorized"}
        assert sandbox.stats()["stored"] == 0


@pytest.mark.parametrize(
    ("restriction", "allowed", "refused"),
    [
        (
            {"username": "u", "secret": "s", "project_id": "7"},
            [("u:s", "7")],
            [("u:s", "8"), ("u:x", "7"), ("x:s", "7"), ("s:", "7"), ("u:", None), ("u:s", None)],
        ),
        ({"secret": "ü"}, [("any:ü", "1")], [("any:s", "1"), ("ü:", "1")]),
        ({"api_secret": "k"}, [("k:", None), ("k:", "1")], [("x:", None), ("u:s", "1")]),
        ({"token": "t"}, [("t:", None)], [("t:", "1"), ("x:", None), ("u:s", "1")]),
        ({"token": "t", "api_secret": "k"}, [("t:", None), ("k:", "1")], [("t:", "1"), ("x:", None)]),
        ({"project_id": "7"}, [("u:s", "7"), ("k:", None), ("k:", "7")], [("u:s", "1"), ("k:", "1")]),
    ],
)
def test_restricted_credentials(
    restriction: dict[str, str], allowed: list[tuple[str, str | None]], refused: list[tuple[str, str | None]]
) -> None:
    with Sandbox(config(**restriction)) as sandbox:

        def status(credentials: str, project: str | None) -> int:
            path = "/import" + (f"?project_id={project}" if project else "")
            return post(sandbox, ndjson([event()]), path, basic(credentials)).status

        assert [status(*one) for one in allowed] == [200] * len(allowed)
        assert [status(*one) for one in refused] == [401] * len(refused)


def test_no_secret_is_in_a_repr() -> None:
    text = repr(SandboxConfig(secret="hidden-1", api_secret="hidden-2", token="hidden-3"))

    assert "hidden" not in text
