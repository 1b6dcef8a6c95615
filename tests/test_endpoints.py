"""What replies of /import mean: a table of literal replies. And targets, and authentication."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from fakes import failed, reply, stored
from hypothesis import given
from hypothesis import strategies as st

from mpimport.auth import TOKEN, project_secret, project_token, service_account, token_in_events
from mpimport.body import CONTENT_TYPES, stamp_with
from mpimport.endpoints import ENDPOINTS, REGIONS, Endpoint, target
from mpimport.errors import UsageProblem
from mpimport.records import Accepted, Failed, Fatal, Miscounted, Partial, Refused, Response, Retry, Split, Verdict
from mpimport.replies import TOO_LARGE, UNDOCUMENTED, classify, classify_lenient, clean_words, retry_after_s
from mpimport.replies_track import classify_track

HTML = b"<html><head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>"
MESSAGE = "'properties.time' is invalid"


def bad(*indexes: int) -> tuple[Failed, ...]:
    return tuple(Failed(index, "properties.time", MESSAGE, "x") for index in indexes)


def answers(status: int, words: str) -> str:
    return f"the server answers {status}: {words}"


def nonsense(count: int, *indexes: object) -> tuple[Response, int, Verdict]:
    words = "some data points in the request failed validation"
    reason = f"the server's list of failed records makes no sense: the server answers 400: {words}"
    return failed(indexes, 0), count, Split(reason) if count > 1 else Refused(reason)


TABLE: dict[str, tuple[Response, int, Verdict]] = {
    "all stored": (stored(2000), 2000, Accepted()),
    "fewer stored": (stored(1999), 2000, Miscounted("the server says it stored 1,999 of 2,000", 1999)),
    "none stored": (stored(0), 1, Miscounted("the server says it stored 0 of 1", 0)),
    "more stored": (stored(3), 2, Retry("the server says it stored 3 of 2")),
    "less than none stored": (stored(-2), 2, Retry("the server says it stored -2 of 2")),
    "a number that counts nothing": (
        reply(200, {"error": "odd", "num_records_imported": 10**13}),
        2,
        Retry(f"{UNDOCUMENTED}: the server answers 200: odd"),
    ),
    "a number with a point": (
        reply(200, {"error": "odd", "num_records_imported": 2.0}),
        2,
        Retry(f"{UNDOCUMENTED}: the server answers 200: odd"),
    ),
    "all stored, but another code": (
        reply(200, {"code": 500, "error": "odd", "num_records_imported": 2}),
        2,
        Retry(f"{UNDOCUMENTED}: the server answers 200: odd"),
    ),
    "all stored, but another status": (
        reply(200, {"error": "odd", "num_records_imported": 2, "status": "Bad Request"}),
        2,
        Retry(f"{UNDOCUMENTED}: the server answers 200: odd"),
    ),
    "all stored, nothing else said": (reply(200, {"num_records_imported": 2}), 2, Accepted()),
    "a number as text": (
        stored("2"),
        2,
        Retry(
            'not the documented reply to an import: the server answers 200: {"code": 200, '
            '"num_records_imported": "2", "status": "OK"}'
        ),
    ),
    "true is no number": (
        reply(200, b'{"num_records_imported":true}'),
        1,
        Retry('not the documented reply to an import: the server answers 200: {"num_records_imported":true}'),
    ),
    "200 without a number": (
        reply(200, {"error": "odd"}),
        1,
        Retry("not the documented reply to an import: the server answers 200: odd"),
    ),
    "200 with HTML": (
        reply(200, HTML),
        1,
        Retry("not the documented reply to an import: the server answers 200: 502 Bad Gateway nginx"),
    ),
    "200, cut": (
        reply(200, b'{"code":200,"num_rec'),
        1,
        Retry('not the documented reply to an import: the server answers 200: {"code":200,"num_rec'),
    ),
    "200 that names the failed": (
        reply(200, {"num_records_imported": 1, "failed_records": [{"index": 1, "message": "m"}]}),
        2,
        Partial((Failed(1, None, "m"),)),
    ),
    "200 that names the failed and counts them too": (
        reply(200, {"num_records_imported": 2, "failed_records": [{"index": 1, "message": "m"}]}),
        2,
        Partial((Failed(1, None, "m"),), resend_rest=True),
    ),
    "200 with a list that makes no sense": (
        reply(200, {"num_records_imported": 2, "error": "odd", "failed_records": [{"index": 2}]}),
        2,
        Retry(f"{UNDOCUMENTED}: the server answers 200: odd"),
    ),
    "200, empty": (reply(200), 1, Retry("not the documented reply to an import: the server answers 200")),
    "some failed": (failed([0, 3], 1998), 2000, Partial(bad(0, 3))),
    "all failed": (failed([0, 1], 0), 2, Partial(bad(0, 1))),
    "all failed, wrong number": (failed([0, 1], 2), 2, Partial(bad(0, 1))),
    "failed, out of order, twice": (failed([3, 0, 3], 8), 10, Partial(bad(0, 3))),
    "failed twice, counted twice": (failed([3, 3], 8), 10, Partial(bad(3), resend_rest=True)),
    "failed, wrong number": (failed([0], 10), 10, Partial(bad(0), resend_rest=True)),
    "failed, no number": (failed([0], None), 10, Partial(bad(0), resend_rest=True)),
    "index out of range": nonsense(10, 0, 10),
    "index negative": nonsense(10, -1),
    "index as text": nonsense(10, "1"),
    "index a bool": nonsense(10, True),
    "index a float": nonsense(10, 1.0),
    "index missing": nonsense(10, None),
    "nonsense about one": nonsense(1, 1),
    "entries are no objects": (
        reply(400, {"error": "e", "failed_records": [0, 1]}),
        2,
        Split("the server's list of failed records makes no sense: the server answers 400: e"),
    ),
    "failed_records is no list": (
        reply(400, {"error": "e", "failed_records": {"0": "bad"}}),
        2,
        Split("the server's list of failed records makes no sense: the server answers 400: e"),
    ),
    "400, none named": (failed([], 0, error="bad request"), 2, Refused(answers(400, "bad request"))),
    "400, null": (reply(400, {"error": "e", "failed_records": None}), 2, Refused(answers(400, "e"))),
    "400, none named, some stored": (
        failed([], 1, error="e"),
        2,
        Split("the server says it stored 1 of 2 and does not name the failed: the server answers 400: e"),
    ),
    "400, HTML": (reply(400, HTML), 2, Split(f"{UNDOCUMENTED}: {answers(400, '502 Bad Gateway nginx')}")),
    "400, HTML, one event": (reply(400, HTML), 1, Refused(f"{UNDOCUMENTED}: {answers(400, '502 Bad Gateway nginx')}")),
    "400, a JSON list": (reply(400, [1]), 2, Split(f"{UNDOCUMENTED}: {answers(400, '[1]')}")),
    "400, empty": (reply(400), 2, Split(f"{UNDOCUMENTED}: the server answers 400")),
    "413, limit named": (
        reply(413, {"code": 413, "error": "request exceeds max limit of 2097152 bytes"}),
        2000,
        Split(answers(413, "request exceeds max limit of 2097152 bytes"), 2_097_152),
    ),
    "413, HTML": (reply(413, b"<h1>too large</h1>"), 2, Split(answers(413, "too large"), TOO_LARGE)),
    "429": (reply(429, {"error": "slow down"}), 2, Retry(answers(429, "slow down"), None, answer="throttled")),
    "429, Retry-After": (reply(429, retry_after="7"), 2, Retry("the server answers 429", 7.0, answer="throttled")),
    "503, Retry-After": (reply(503, retry_after="7"), 2, Retry("the server answers 503", 7.0, answer="overloaded")),
    "no reply": (Response(0, error="connection refused"), 2, Retry("connection refused", answer="lost")),
    "no reply, no words": (Response(0), 2, Retry("no reply", answer="lost")),
    "502, HTML": (reply(502, HTML), 2, Retry(answers(502, "502 Bad Gateway nginx"), answer="overloaded")),
    **{
        str(code): (reply(code), 2, Retry(f"the server answers {code}", answer="overloaded"))
        for code in (408, 500, 502, 503, 504, 507, 599)
    },
    **{str(code): (reply(code), 2, Retry(f"the server answers {code}")) for code in (100, 202, 204, 299, 425)},
    "no reply, and none to come": (Response(0, error="no such host", final=True), 2, Fatal("no such host")),
    "plain HTTP to nginx's TLS": (
        reply(400, b"<title>400 The plain HTTP request was sent to HTTPS port</title>"),
        2,
        Fatal(
            "this address speaks TLS: is it https:// rather than http://? "
            f"({answers(400, '400 The plain HTTP request was sent to HTTPS port')})"
        ),
    ),
    "plain HTTP to Go's TLS": (
        reply(400, b"Client sent an HTTP request to an HTTPS server.\n"),
        2,
        Fatal(
            "this address speaks TLS: is it https:// rather than http://? "
            f"({answers(400, 'Client sent an HTTP request to an HTTPS server.')})"
        ),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_a_reply_means(case: str) -> None:
    response, count, verdict = TABLE[case]
    assert classify(response, count) == verdict


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (401, "check the service account's user name and secret"),
        (402, "plan"),
        (403, "may not write to this project: check --project-id"),
        (404, "check --url"),
        (405, "check --url"),
        (407, "the proxy wants credentials"),
        (410, "check --url"),
        (418, "check --url and the credentials"),
        (451, "check --url and the credentials"),
    ],
)
def test_a_fatal_reply_says_what_to_mend(status: int, mend: str) -> None:
    verdict = classify(reply(status, {"error": "Invalid credentials"}), 5)
    assert isinstance(verdict, Fatal)
    assert mend in verdict.reason
    assert f"the server answers {status}: Invalid credentials" in verdict.reason


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_fatal_and_names_where_to_without_secrets(status: int) -> None:
    verdict = classify(reply(status, location="https://me:pw@else\x1b.example/import?token=abc"), 5)
    assert isinstance(verdict, Fatal)
    assert "points to https://else .example/import;" in verdict.reason
    assert "--url" in verdict.reason
    assert "nowhere" in str(classify(reply(status), 5))


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("7", "", 7.0),
        (" 7 ", "", 7.0),
        ("0.5", "", 0.5),
        ("3600", "", 3600.0),
        ("0", "", None),
        ("3601", "", 3600.0),
        ("999999999", "", 3600.0),
        ("-5", "", None),
        ("nan", "", None),
        ("inf", "", None),
        ("1e3", "", None),
        ("9999999999", "", 3600.0),
        ("9" * 400, "", 3600.0),
        ("", "", None),
        ("soon", "Fri, 31 Dec 1999 23:59:00 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:00 GMT", 59.0),
        ("Fri, 31 Dec 1999 23:59:59 +0100", "Fri, 31 Dec 1999 22:59:00 GMT", 59.0),
        ("Fri, 31 Dec 1999 23:59:00 GMT", "Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "", None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("Fri, 99 Foo 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_counted_from_the_replys_own(
    value: str, date: str, seconds: float | None
) -> None:
    assert retry_after_s({"retry-after": value, "date": date}) == seconds


def test_the_servers_words_are_fit_to_print() -> None:
    ugly = "a\x1b[31m\r\n\tb\u202e\ud800\x00 c"
    assert clean_words(ugly) == "a [31m b c"
    assert clean_words("x" * 1000) == "x" * 299 + "…"
    record = {"index": 0, "field": "f\x07" * 300, "message": ugly}
    verdict = classify(reply(400, {"failed_records": [record], "num_records_imported": 0}), 1)
    assert isinstance(verdict, Partial)
    assert verdict.failed[0].message == "a [31m b c"
    assert len(verdict.failed[0].field or "") == 300


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, b"\xff\xfe", b'"\\ud800"'])
def test_no_body_breaks_it(body: bytes) -> None:
    assert isinstance(classify(reply(200, body), 1), Retry)
    assert isinstance(classify(reply(400, body), 1), Refused)
    assert isinstance(classify(reply(401, body), 1), Fatal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["index", "field", "message", "error", "failed_records", "num_records_imported"]), inner
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(-1, 999), document=JSON, count=st.integers(1, 5), wait=st.text(max_size=12))
def test_whatever_comes_there_is_a_verdict_that_can_be_carried_out(
    status: int, document: Any, count: int, wait: str
) -> None:
    response = Response(status, {"retry-after": wait}, json.dumps(document).encode())
    verdict = classify(response, count)
    if isinstance(verdict, Partial):
        indexes = [entry.index for entry in verdict.failed]
        assert indexes == sorted(set(indexes))
        assert indexes
        assert set(indexes) <= set(range(count))
    if isinstance(verdict, Accepted):
        assert document["num_records_imported"] == count


def test_the_import_row_holds_the_documented_limits() -> None:
    row = ENDPOINTS["import"]
    assert (row.max_events, row.max_bytes) == (2000, 10_000_000)
    assert row.path == "/import"
    assert row.classify is classify


def test_the_track_row_holds_the_documented_limits() -> None:
    row = ENDPOINTS["track"]
    assert (row.max_events, row.max_bytes, row.gzip_level, row.history.max_age_s) == (50, 10_000_000, None, 432_000)
    assert row.verdicts(strict=True) is row.verdicts(strict=False) is classify_track
    assert "--endpoint import" in row.history.too_old


def test_the_verdicts_depend_on_strict_where_there_is_one() -> None:
    row = ENDPOINTS["import"]
    assert row.verdicts(strict=True) is classify
    assert row.verdicts(strict=False) is classify_lenient


@pytest.mark.parametrize("row", ENDPOINTS.values(), ids=ENDPOINTS)
def test_the_framings_of_a_row_exist(row: Endpoint) -> None:
    assert set(row.framings) <= set(CONTENT_TYPES)
    assert ENDPOINTS[row.name] is row


@pytest.mark.parametrize(
    "spell",
    [
        str,
        json.dumps,
        lambda secret: json.dumps(json.dumps(secret)[1:-1]),
        html.escape,
        lambda secret: quote(secret, safe=""),
        quote_plus,
        lambda secret: base64.b64encode(secret.encode()).decode(),
    ],
)
def test_a_secret_is_known_however_a_reply_spells_it(spell: Callable[[str], str]) -> None:
    secret = 'a"b&c<d>e+f ö/'
    text = f"[{spell(secret)}]".encode()
    for one in service_account("me", secret, "1").secrets():
        text = text.replace(one, b"***")

    assert text.strip(b'[]\\"') == b"***"


def test_a_track_target_has_no_project_and_no_token() -> None:
    auth = token_in_events("abc12345")
    where = target(ENDPOINTS["track"], REGIONS["in"], auth)
    assert (where.url, where.params) == ("https://api-in.mixpanel.com/track", {"verbose": "1"})
    assert auth.headers == {}
    assert auth.secrets() == (b"abc12345", b"YWJjMTIzNDU=")
    assert "abc12345" not in repr(auth)
    assert project_token("abc12345").token is None


@pytest.mark.parametrize("token", ["", "abc123", 'a"b\\'])
def test_what_events_are_sent_with_is_known_to_the_byte(token: str) -> None:
    auth = token_in_events(token)
    event = b'{"event":"a","properties":{"b":1}}'
    stamped = stamp_with(TOKEN, token)(event + b"\n")
    assert len(stamped) == len(event) + 1 + auth.sent_with["token"]
    assert service_account("bob", "s3cret", "1").sent_with == {}


def test_a_target_has_the_query_and_no_secret() -> None:
    auth = service_account("bob", "s3cret", "12345")
    where = target(ENDPOINTS["import"], REGIONS["eu"], auth)
    assert where.url == "https://api-eu.mixpanel.com/import"
    assert where.params == {"strict": "1", "project_id": "12345"}
    assert "s3cret" not in repr(where)
    lax = target(ENDPOINTS["import"], "http://localhost:8000/base/", project_token("t"), strict=False)
    assert (lax.url, lax.params) == ("http://localhost:8000/base/import", {})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:80",
        "ftp://x",
        "https://",
        "http://[::1",
        "http://x:99999",
        "http://x:0",
        "http://u:p@x",
        "http://x?a=1",
        "http://x#f",
        "/tmp",
    ],
)
def test_what_is_no_base_url_is_refused_without_quoting_secrets(url: str) -> None:
    with pytest.raises(UsageProblem, match="--url: ") as caught:
        target(ENDPOINTS["import"], url, project_token("t"))
    assert "u:p" not in str(caught.value)


def test_authorizations() -> None:
    def decoded(header: str) -> str:
        scheme, _, value = header.partition(" ")
        assert scheme == "Basic"
        return base64.b64decode(value).decode()

    account = service_account("bob", "sécrèt€:x", "5")
    assert decoded(account.authorization) == "bob:sécrèt€:x"
    assert account.params == {"project_id": "5"}
    assert decoded(project_secret("abc").authorization) == "abc:"
    assert decoded(project_token("tok").authorization) == "tok:"
    assert project_secret("abc").params == project_token("tok").params == {}
    assert account.authorization not in repr(account)
    assert "service account" in repr(account)


def test_a_user_name_with_a_colon_is_refused_without_quoting_it() -> None:
    with pytest.raises(UsageProblem, match="--username") as caught:
        service_account("bob:s3cret", "x", "5")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("response", "count", "kind"),
    [
        (stored(2), 2, Accepted),
        (stored(1), 2, Split),
        (stored(0), 1, Refused),
        (stored(3), 2, Retry),
        (reply(200, HTML), 2, Retry),
        (reply(503), 2, Retry),
        (reply(401), 2, Fatal),
    ],
)
def test_without_strict_what_the_server_dropped_is_found_by_halving(
    response: Response, count: int, kind: type[Verdict]
) -> None:
    assert isinstance(classify_lenient(response, count), kind)
