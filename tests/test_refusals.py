"""A server that refuses who sends: what is said depends on what was shown to it, and never quotes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import reply, stored
from running import QUICK_BACKOFF, assert_balanced, good_event, mpimport, write_ndjson
from scripted_server import Answer, ScriptedServer

from mpimport.endpoints import REGIONS, region_of
from mpimport.records import Accepted, Fatal, Retry
from mpimport.refusals import Sender, advised, refusal_words
from mpimport.replies import classify
from mpimport.sandbox import Sandbox, SandboxConfig

SECRETS = {"MP_SECRET": "secret-of-the-account", "MP_API_SECRET": "secret-of-the-project", "MP_TOKEN": "token-of-it"}
KINDS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "service account": (
        {"MP_USERNAME": "importer", "MP_PROJECT_ID": "12345", "MP_SECRET": SECRETS["MP_SECRET"]},
        ("service account 'importer' for project 12345", "MP_SECRET", "Organization Settings", "Owner or Admin"),
    ),
    "project secret": (
        {"MP_API_SECRET": SECRETS["MP_API_SECRET"]},
        ("the project secret", "MP_API_SECRET or --api-secret-file", "Access Keys", "not its token"),
    ),
    "project token": (
        {"MP_TOKEN": SECRETS["MP_TOKEN"]},
        ("the project token", "Project Token", "Access Keys", "not its secret"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [401, 403])
def test_each_kind_of_credentials_has_its_own_words(tmp_path: Path, kind: str, status: int) -> None:
    env, words = KINDS[kind]
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(10)])
    document = json.dumps({"code": status, "error": "Invalid credentials", "status": "Unauthorized"}).encode()
    with ScriptedServer([Answer(status, document)] * 16) as server:
        ended = mpimport("e.ndjson", "--url", server.url, "--json", *QUICK_BACKOFF, cwd=tmp_path, env=env)

    stopped = ended.summary["stopped"]
    assert ended.code == 4
    assert_balanced(ended.summary)
    assert ended.summary["retries"] == 0
    assert stopped.startswith("the server refused the" if status == 401 else "the server does not let the")
    for word in (*words, server.url, "check --url", f"the server answers {status}: Invalid credentials"):
        assert word in stopped
    assert not [secret for secret in SECRETS.values() if secret in ended.err + ended.out]
    others = [told[0] for name, (_, told) in KINDS.items() if name != kind]
    assert not [other for other in others if other in stopped]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("region", REGIONS)
def test_in_a_region_the_others_are_named(kind: str, region: str) -> None:
    others = tuple(name for name in REGIONS if name != region)
    sender = Sender(kind, REGIONS[region] + "/import", region, others, "importer", "12345")
    for words in refusal_words(sender).values():
        assert f"the project's data is not in region {region.upper()}: " in words
        assert words.endswith(f"then give --region {others[0]} or --region {others[1]}")


def test_only_what_is_about_credentials_is_said_anew() -> None:
    told = advised(classify, Sender("project token", "http://127.0.0.1/import"))

    assert told(stored(2), 2) == Accepted()
    assert isinstance(told(reply(503), 2), Retry)
    assert told(reply(404), 2) == classify(reply(404), 2)
    verdict = told(reply(401, {"error": "no"}), 2)
    assert isinstance(verdict, Fatal)
    assert verdict.reason.endswith("(the server answers 401: no)")


def test_a_web_page_is_told_as_what_stands_in_the_way() -> None:
    told = advised(classify, Sender("service account", "https://api.example.com/import"))
    page = b"<!DOCTYPE html><title>Wi-Fi: sign in</title>"

    words = (
        "api.example.com answers with a web page: check --url, the proxy, and whether this network wants a login first"
    )
    assert told(reply(200, page), 2) == Retry(f"{words} (the server answers 200: Wi-Fi: sign in)")
    assert told(reply(503, page), 2) == classify(reply(503, page), 2)
    assert told(reply(200, b"{}"), 2) == classify(reply(200, b"{}"), 2)


def test_another_kind_of_credentials_gets_the_words_for_anybody() -> None:
    assert advised(classify, Sender("pigeon", "http://127.0.0.1"))(reply(401), 1) == classify(reply(401), 1)


def test_names_are_fit_to_print() -> None:
    sender = Sender("service account", "http://127.0.0.1", username="a\x1b[31m{0}" + "x" * 200, project_id="{project}")
    words = refusal_words(sender)[401]
    assert words.isprintable()
    assert "'a [31m{0}xxx" in words
    assert len(words) < 800


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://api.mixpanel.com", "us"),
        ("https://api-eu.mixpanel.com/import", "eu"),
        ("http://API-IN.mixpanel.com:443", "in"),
        ("https://mixpanel.com", None),
        ("http://127.0.0.1:8080", None),
        ("", None),
    ],
)
def test_the_region_of_an_address(url: str, region: str | None) -> None:
    assert region_of(url) == region


def test_a_url_of_one_region_with_another_region_is_refused(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    url = ("--url", "https://api-eu.mixpanel.com", "--dry-run")
    given: list[tuple[tuple[str, ...], dict[str, str], int]] = [
        ((), {}, 0),
        (("--region", "eu"), {}, 0),
        (("--region", "us"), {}, 2),
        ((), {"MP_REGION": "in"}, 0),
    ]
    for options, env, code in given:
        ended = mpimport("e.ndjson", *url, *options, cwd=tmp_path, env=env)
        assert ended.code == code, ended.err
        told: Any = "region EU (https" if code == 0 else "--url https://api-eu.mixpanel.com is the address of region EU"
        assert told in ended.err


def test_the_sandbox_is_asked_for_real(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(10)])
    for kind, (env, words) in KINDS.items():
        with Sandbox(SandboxConfig(username="other", secret="other", api_secret="other", token="other")) as sandbox:
            ended = mpimport("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path, env=env)
        assert ended.code == 4, kind
        assert words[0] in ended.summary["stopped"]
