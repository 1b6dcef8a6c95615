"""The sandbox's rules for one event, each at its boundary, over real HTTP with an injected clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from test_sandbox import JSON, NDJSON, NOW_S, config, event, fetch, ndjson, post

from mpimport.sandbox import Sandbox

NOW_MS = int(NOW_S * 1000)
DISALLOWED = [
    *("00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na"),
    *("undefined", "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


def filled(count: int) -> dict[str, Any]:
    """Make an event of `count` properties."""
    base = event()
    base["properties"] |= {f"p{number}": 1 for number in range(count - len(base["properties"]))}
    return base


def nested(depth: int, *, inside: Any = 1) -> Any:
    for _ in range(depth):
        inside = {"a": inside}
    return inside


def sized(size: int) -> dict[str, Any]:
    """Make an event of `size` bytes as it is sent."""
    base = event(filler="")
    base["properties"]["filler"] = "x" * (size - len(json.dumps(base)))
    return base


def without(name: str) -> dict[str, Any]:
    base = event()
    del base["properties"][name]
    return base


GOOD: dict[str, Any] = {
    "numeric seconds": event(time=1_618_716_477),
    "fractional seconds": event(time=1_618_716_477.123),
    "fractional milliseconds": event(time=1_618_716_477_123.0),
    "first second of 1971": event(time=31_536_000),
    "first millisecond of 1971": event(time=31_536_000_000),
    "one hour ahead": event(time=NOW_MS + 3_600_000),
    "one hour ahead in seconds": event(time=NOW_S + 3600),
    "no user": event(distinct_id=""),
    "user_id instead": event(distinct_id=None, **{"$user_id": "u"}),
    "device_id instead": event(distinct_id=None, **{"$device_id": "d", "$user_id": ""}),
    "ids that are only like disallowed ones": event(distinct_id="None", insert_id="NULL"),
    "36 bytes of insert_id": event(insert_id="aZ09-" + "x" * 31),
    "254 properties": filled(254),
    "254 keys": event(nested={f"k{number}": 1 for number in range(254)}),
    "254 elements": event(nested=[1] * 254),
    "depth 3": event(nested=nested(3)),
    "depth 3 in lists": event(nested=[[[nested(2, inside=[[nested(1)]])]]]),
    "a list of 8192 bytes": event(nested=["x" * 4094, "x" * 4091]),
    "an object of 8192 bytes": event(nested={"k": "x" * 8184}),
    "a large string": event(text="x" * 100_000),
    "1 MB less a byte": sized(1_048_575),
    "null and booleans": event(a=True, b=[None, False], **{"": "unnamed"}),
    "token": event(token="t"),
}

Bad = tuple[Any, str, str]
BAD: dict[str, Bad] = {
    "no object": ([], "", "the event is invalid: must be an object"),
    "null": (None, "", "must be an object"),
    "a text": ("event", "", "must be an object"),
    "no event": ({"properties": event()["properties"]}, "event", "non-empty string"),
    "empty event": (event(""), "event", "non-empty string"),
    "event is a number": ({**event(), "event": 1}, "event", "non-empty string"),
    "event is null": ({**event(), "event": None}, "event", "non-empty string"),
    "no properties": ({"event": "a"}, "properties", "must be an object"),
    "properties are a list": ({"event": "a", "properties": []}, "properties", "must be an object"),
    "a third key": ({**event(), "extra": 1}, "extra", "not allowed"),
    "no time": (without("time"), "properties.time", "must be specified as seconds since epoch"),
    "time is text": (event(time="1618716477"), "properties.time", "seconds since epoch"),
    "time is a bool": (event(time=True), "properties.time", "seconds since epoch"),
    "time is a list": (event(time=[1]), "properties.time", "seconds since epoch"),
    "time is zero": (event(time=0), "properties.time", "before 1971"),
    "time is negative": (event(time=-1), "properties.time", "before 1971"),
    "last second of 1970": (event(time=31_535_999), "properties.time", "before 1971"),
    "just before 1971": (event(time=31_535_999.999), "properties.time", "before 1971"),
    "an hour and 1 ms ahead": (event(time=NOW_MS + 3_600_001), "properties.time", "one hour in the future"),
    "an hour and 1 s ahead": (event(time=NOW_S + 3601), "properties.time", "one hour in the future"),
    "microseconds": (event(time=NOW_MS * 1000), "properties.time", "one hour in the future"),
    "huge time": (event(time=10**400), "properties.time", "time that exists"),
    "no distinct_id": (without("distinct_id"), "properties.distinct_id", "must be there"),
    "empty user_id": (event(distinct_id=None, **{"$user_id": ""}), "properties.distinct_id", "must be there"),
    "numeric user_id": (event(distinct_id=None, **{"$user_id": 1}), "properties.distinct_id", "must be there"),
    "distinct_id is a number": (event(distinct_id=5), "properties.distinct_id", "must be a string"),
    "no insert_id": (without("$insert_id"), "properties.$insert_id", "must be there"),
    "insert_id is a number": (event(insert_id=5), "properties.$insert_id", "must be a string"),
    "empty insert_id": (event(insert_id=""), "properties.$insert_id", "1 to 36 characters"),
    "37 bytes of insert_id": (event(insert_id="x" * 37), "properties.$insert_id", "1 to 36 characters"),
    "underscore in insert_id": (event(insert_id="a_b"), "properties.$insert_id", "1 to 36 characters"),
    "newline in insert_id": (event(insert_id="a\n"), "properties.$insert_id", "1 to 36 characters"),
    "umlaut in insert_id": (event(insert_id="ä"), "properties.$insert_id", "1 to 36 characters"),
    "digits of another script": (event(insert_id="\u0663"), "properties.$insert_id", "1 to 36 characters"),
    "255 properties": (filled(255), "properties", "fewer than 255 properties"),
    "255 keys": (event(n={f"k{i}": 1 for i in range(255)}), "properties.n", "fewer than 255 keys"),
    "255 keys within": (event(n=[{f"k{i}": 1 for i in range(255)}]), "properties.n", "fewer than 255 keys"),
    "255 elements": (event(n=[1] * 255), "properties.n", "fewer than 255 elements"),
    "255 elements within": (event(n={"a": [1] * 255}), "properties.n", "fewer than 255 elements"),
    "depth 4": (event(n=nested(4)), "properties.n", "deeper than 3 levels"),
    "depth 4 with lists": (event(n=[nested(2, inside=[nested(2)])]), "properties.n", "deeper than 3 levels"),
    "depth 4 and empty": (event(n=nested(3, inside={})), "properties.n", "deeper than 3 levels"),
    "a list of 8193 bytes": (event(n=["x" * 4094, "x" * 4092]), "properties.n", "larger than 8192 bytes"),
    "an object of 8193 bytes": (event(n={"k": "x" * 8185}), "properties.n", "larger than 8192 bytes"),
    "8193 bytes of UTF-8": (event(n=["ü" * 4092, "xx"]), "properties.n", "larger than 8192 bytes"),
    "1 MB": (sized(1_048_576), "", "smaller than 1048576 bytes"),
    "bucket": (event(bucket=1), "properties.bucket", "must not be used"),
    "$bucket": (event(**{"$bucket": 1}), "properties.$bucket", "must not be used"),
    "ignored but wrong": (event(time=0, **{"$ignore": True}), "properties.time", "before 1971"),
}
BAD |= {f"distinct_id {one}": (event(distinct_id=one), "properties.distinct_id", "disallowed") for one in DISALLOWED}
BAD |= {f"$insert_id {one}": (event(insert_id=one), "properties.$insert_id", "disallowed") for one in DISALLOWED}


@pytest.mark.parametrize("content_type", [NDJSON, JSON])
@pytest.mark.parametrize("case", GOOD)
def test_good(sandbox: Sandbox, case: str, content_type: str) -> None:
    answer = post(sandbox, ndjson([GOOD[case]]), headers={"Content-Type": content_type})

    assert answer.json == {"code": 200, "num_records_imported": 1, "status": "OK"}


@pytest.mark.parametrize("content_type", [NDJSON, JSON])
@pytest.mark.parametrize("case", BAD)
def test_bad(sandbox: Sandbox, case: str, content_type: str) -> None:
    bad, field, message = BAD[case]
    lines = [json.dumps(one, ensure_ascii=False) for one in (event(), bad, event())]
    body = "\n".join(lines) if content_type == NDJSON else "[" + ",".join(lines) + "]"
    answer = post(sandbox, body.encode(), headers={"Content-Type": content_type})

    assert answer.status == 400
    content = answer.json
    (failed,) = content.pop("failed_records")
    assert content == {
        "code": 400,
        "error": "some data points in the request failed validation",
        "num_records_imported": 2,
        "status": "Bad Request",
    }
    assert failed.keys() == {"index", "$insert_id", "field", "message"}
    assert (failed["index"], failed["field"]) == (1, field)
    assert message in failed["message"]


def test_a_failed_record_names_its_insert_id_as_far_as_it_is_one(sandbox: Sandbox) -> None:
    bad = [event("", insert_id="mine"), event("", insert_id=None), event("", insert_id=[1]), 1]
    answer = post(sandbox, ndjson(bad))

    assert [failed["$insert_id"] for failed in answer.json["failed_records"]] == ["mine", "", "", ""]


def test_an_event_with_several_failures_is_listed_once() -> None:
    with Sandbox(config()) as sandbox:
        answer = post(sandbox, ndjson([event("", time=0, bucket=1), event()]))

        assert [failed["field"] for failed in answer.json["failed_records"]] == ["event"]
        assert answer.json["num_records_imported"] == 1
        stats = sandbox.stats()
        assert stats["refused"] == sum(stats["refused_reasons"].values()) == 1


@pytest.mark.parametrize("path", ["/import?project_id=1", "/import?project_id=1&strict=0"])
def test_without_strict_bad_events_are_dropped_silently(path: str) -> None:
    with Sandbox(config()) as sandbox:
        answer = post(sandbox, ndjson([event(""), event()]), path)

        assert answer.json == {"code": 200, "num_records_imported": 1, "status": "OK"}
        assert sandbox.stats()["refused"] == 1


def test_a_near_future_is_overwritten_with_now_and_stays_a_duplicate() -> None:
    ahead = event(time=NOW_MS + 1)
    with Sandbox(config()) as sandbox:
        post(sandbox, ndjson([ahead, ahead, event(insert_id="now", time=NOW_MS)]))

        assert [one["properties"]["time"] for one in sandbox.events()] == [NOW_MS, NOW_MS]
        assert sandbox.stats()["time_overwritten"] == 2
        assert sandbox.stats()["duplicates"] == 1


def test_a_number_without_a_double_survives_the_overwriting() -> None:
    line = ndjson([event(time=NOW_MS + 1, n=[])]).replace(b"[]", b"1e400")
    with Sandbox(config()) as sandbox:
        post(sandbox, line)

        assert fetch(sandbox, "GET", "/events?format=ndjson").body == line


def test_long_strings_are_cut_and_counted() -> None:
    long, name = "ü" * 256, "n" * 256
    sent = event(long, a=long, fits="ü" * 255, nested=[long, {name: long}], distinct_id=long, **{name: 1})
    with Sandbox(config()) as sandbox:
        answer = post(sandbox, ndjson([sent, event()]))

        assert answer.status == 200
        assert sandbox.stats()["truncated_strings"] == 7
        cut = "ü" * 255
        assert sandbox.events()[0] == event(
            cut, a=cut, fits=cut, nested=[cut, {"n" * 255: cut}], distinct_id=cut, **{"n" * 255: 1}
        )
        assert fetch(sandbox, "GET", "/events?limit=1").json == sandbox.events()[:1]


def test_ignored_events_are_dropped_silently() -> None:
    events = [event(**{"$ignore": True}), event(insert_id="b", **{"$ignore": False})]
    with Sandbox(config()) as sandbox:
        answer = post(sandbox, ndjson(events))

        assert answer.json == {"code": 200, "num_records_imported": 2, "status": "OK"}
        stats = sandbox.stats()
        assert (stats["ignored"], stats["received"], stats["stored"]) == (1, 1, 1)


def test_events_without_ip_are_geolocated() -> None:
    with Sandbox(config()) as sandbox:
        post(sandbox, ndjson([event(), without("ip"), event("", ip=None)]))

        assert sandbox.stats()["geolocated"] == 1


@pytest.mark.parametrize("content_type", [NDJSON, JSON])
def test_duplicate_keys_are_counted(content_type: str) -> None:
    text = (
        '{"event":"a","event":"b","properties":{"time":1618716477,"distinct_id":"d","$insert_id":"1","ip":0,'
        '"o":{"x":1,"x" : 2,"\\u0078":3}}}'
    )
    with Sandbox(config()) as sandbox:
        answer = post(sandbox, text.encode(), headers={"Content-Type": content_type})

        assert answer.status == 200
        assert sandbox.stats()["duplicate_keys"] == 3
        assert sandbox.stats()["events_by_name"] == {"b": 1}
