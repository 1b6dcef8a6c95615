"""Settings are checked in one place, all problems are told together, and secrets never show."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from mpimport.destination import is_loopback
from mpimport.endpoints import ENDPOINTS
from mpimport.errors import UsageProblem
from mpimport.settings import (
    BatchSettings,
    Credentials,
    MaxRejected,
    RunSettings,
    Secret,
    SendSettings,
    Settings,
    parse_max_rejected,
)
from mpimport.settings_check import check

ACCOUNT = Credentials(project_id="1", username="me", secret=Secret("hidden"))


def problems(settings: Settings) -> tuple[str, ...]:
    try:
        check(settings, ENDPOINTS[settings.send.endpoint])
    except UsageProblem as usage:
        return tuple(usage.problems)
    return ()


def test_the_defaults_with_an_account_are_fine() -> None:
    assert problems(Settings(credentials=ACCOUNT)) == ()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings(batch=BatchSettings(max_events=2001)), "--batch-size 2001"),
        (Settings(batch=BatchSettings(max_events=0)), "--batch-size 0"),
        (Settings(batch=BatchSettings(max_bytes=10_000_001)), "--batch-bytes 10000001"),
        (Settings(batch=BatchSettings(gzip_level=0)), "--gzip-level 0"),
        (Settings(batch=BatchSettings(gzip_level=10)), "--gzip-level 10"),
        (Settings(batch=BatchSettings(content_type="xml")), "--content-type xml"),
        (Settings(send=SendSettings(workers=0)), "--workers 0"),
        (Settings(send=SendSettings(workers=65)), "--workers 65"),
        (Settings(send=SendSettings(timeout_s=0)), "--timeout 0"),
        (Settings(send=SendSettings(timeout_s=float("nan"))), "--timeout nan"),
        (Settings(send=SendSettings(connect_timeout_s=0)), "--connect-timeout 0"),
        (Settings(send=SendSettings(give_up_after_s=-1)), "--give-up-after -1"),
        (Settings(send=SendSettings(backoff_base_s=3, backoff_max_s=2)), "--backoff-max 2"),
        (Settings(send=SendSettings(backoff_jitter_s=(5, 1))), "--backoff-jitter 5 1"),
        (Settings(run=RunSettings(sandbox=True), send=SendSettings(url="http://x")), "--sandbox and --url"),
        (Settings(run=RunSettings(sandbox=True, dry_run=True)), "--sandbox and --dry-run"),
        (Settings(credentials=Credentials()), "no credentials"),
        (Settings(credentials=Credentials(username="me", project_id="1")), "MP_SECRET"),
        (Settings(credentials=Credentials(secret=Secret("x"), project_id="1")), "--username"),
        (Settings(credentials=replace(ACCOUNT, project_id=None)), "--project-id"),
        (Settings(credentials=replace(ACCOUNT, project_id="my project")), "it is a number"),
    ],
)
def test_each_problem_is_named_alone(settings: Settings, named: str) -> None:
    if not settings.credentials.kind and named != "no credentials":
        settings = replace(settings, credentials=ACCOUNT)
    found = problems(settings)

    assert len(found) == 1
    assert named in found[0]


TRACK = SendSettings(endpoint="track")
TOKEN = Credentials(token=Secret("abc123"))


@pytest.mark.parametrize(
    "batch",
    [
        BatchSettings(),
        BatchSettings(max_events=50, max_bytes=10_000_000, content_type="form"),
        BatchSettings(max_events=1, content_type="json", gzip=False),
        BatchSettings(gzip_level=6, gzip=False),
    ],
)
def test_what_track_takes(batch: BatchSettings) -> None:
    assert problems(Settings(send=TRACK, batch=batch, credentials=TOKEN)) == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(batch=BatchSettings(max_events=51)), "--batch-size 51: the track endpoint takes 1 to 50"),
        (Settings(batch=BatchSettings(max_events=0)), "--batch-size 0"),
        (Settings(batch=BatchSettings(content_type="ndjson")), "--content-type ndjson: the track endpoint takes form"),
        (Settings(batch=BatchSettings(gzip_level=1)), "--gzip-level 1: the track endpoint takes no compressed"),
        (Settings(send=replace(TRACK, strict=False)), "--no-strict: the track endpoint"),
    ],
)
def test_what_track_does_not_take_is_refused_by_name(settings: Settings, words: str) -> None:
    send = settings.send if settings.send.endpoint == "track" else TRACK
    [told] = problems(replace(settings, send=send, credentials=TOKEN))

    assert told.startswith(words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Credentials(), "give the project's with --token TOKEN (or MP_TOKEN)"),
        (ACCOUNT, "--endpoint import is the one for a service account"),
        (Credentials(api_secret=Secret("k")), "--endpoint import is the one for a project secret"),
        (Credentials(token=Secret("abc def")), "--token: it holds a space"),
        (Credentials(token=Secret("abc\n")), "--token: it holds a space"),
        (Credentials(token=Secret("t\udcff")), "--token: it holds a space"),
    ],
)
def test_track_needs_a_token(given: Credentials, words: str) -> None:
    [told] = problems(Settings(send=TRACK, credentials=given))

    assert words in told
    assert problems(Settings(send=TRACK, credentials=given, run=RunSettings(dry_run=True))) == ()


def test_what_is_given_beside_the_token_does_no_harm() -> None:
    beside = replace(ACCOUNT, token=Secret("abc123"), project_id="any")

    assert problems(Settings(send=TRACK, credentials=beside)) == ()
    assert problems(Settings(send=TRACK, credentials=replace(TOKEN, username="me"))) == ()


def test_all_problems_are_told_together() -> None:
    settings = Settings(batch=BatchSettings(max_events=0, gzip_level=77), send=SendSettings(workers=0))

    assert len(problems(settings)) == 4


@pytest.mark.parametrize("run", [RunSettings(dry_run=True), RunSettings(sandbox=True)])
def test_credentials_are_not_needed_where_nothing_is_sent_to_the_api(run: RunSettings) -> None:
    assert problems(Settings(run=run)) == ()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (ACCOUNT, "service account"),
        (replace(ACCOUNT, token=Secret("t")), "service account"),
        (Credentials(api_secret=Secret("a"), token=Secret("t")), "project secret"),
        (Credentials(token=Secret("t")), "project token"),
        (Credentials(project_id="1"), None),
        (Credentials(secret=Secret("")), None),
    ],
)
def test_the_kind_of_credentials(given: Credentials, kind: str | None) -> None:
    assert given.kind == kind


@pytest.mark.parametrize("show", [repr, str, lambda secret: f"{secret}", lambda secret: f"{secret!r}"])
def test_a_secret_does_not_show_itself(show: Any) -> None:
    assert "hidden" not in show(Secret("hidden"))
    assert "hidden" not in show(Settings(credentials=ACCOUNT))


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(Secret("hidden"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", MaxRejected(0)), ("100", MaxRejected(100)), ("1%", MaxRejected(1, percent=True)),
     ("0.5%", MaxRejected(0.5, percent=True)), (" 3% ", MaxRejected(3, percent=True))],
)  # fmt: skip
def test_max_rejected_is_a_number_or_a_share(text: str, expected: MaxRejected) -> None:
    assert parse_max_rejected(text) == expected


@pytest.mark.parametrize("text", ["", "%", "many", "-1", "1.5", "101%", "-1%", "nan%", "1 %%x"])
def test_max_rejected_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        parse_max_rejected(text)


def test_a_share_is_judged_late_and_at_the_end() -> None:
    share = MaxRejected(10, percent=True)

    assert not share.exceeded(5, 10)
    assert share.exceeded(5, 10, at_end=True)
    assert share.exceeded(101, 1000)
    assert not share.exceeded(100, 1000)
    assert MaxRejected(3).exceeded(4, 1)
    assert not MaxRejected(3).exceeded(3, 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:1", True), ("http://localhost", True), ("http://[::1]:5", True), ("http://example.com", False)],
)
def test_loopback(url: str, *, expected: bool) -> None:
    assert is_loopback(url) == expected


@pytest.mark.parametrize("rate", [-1, 1e16, float("inf"), float("nan")])
def test_a_rate_is_a_number_that_can_be_reckoned_with(rate: float) -> None:
    wrong = Settings(credentials=ACCOUNT, send=SendSettings(max_events_per_s=rate, max_bytes_per_minute=rate))
    assert [problem.split()[0] for problem in problems(wrong)] == ["--max-events-per-second", "--max-bytes-per-minute"]
