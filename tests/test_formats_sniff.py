"""The format of a source, by its name or by its first bytes."""

from __future__ import annotations

import pytest

from mpimport.errors import UsageProblem
from mpimport.formats import FORMATS, HEAD_BYTES, detect

EVENT = b'{"event":"x","properties":{"a":[{"b":1}]}}'


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("a.ndjson", "ndjson"),
        ("A.JSONL", "ndjson"),
        ("a.ndjson.gz", "ndjson"),
        ("a.csv.GZ", "csv"),
        ("dir.csv/a.tsv", "tsv"),
    ],
)
def test_by_name(name: str, format_name: str) -> None:
    assert detect(name, b"[1]") == format_name


@pytest.mark.parametrize(
    ("head", "format_name"),
    [
        (b"", "ndjson"),
        (b" \n", "ndjson"),
        (b"  [", "json"),
        (EVENT, "ndjson"),
        (EVENT + b"\n" + EVENT, "ndjson"),
        (b"\n" + EVENT + b"\r\n" + EVENT, "ndjson"),
        (b'{"a":1}\n{"a":2}\n', "ndjson"),
        (b'{"a":NaN}\n{"a":2}\n', "ndjson"),
        (b'{"event":"x","properties":{"a":"}\n{"event"', "ndjson"),
        (b'{"a":1}\n', "json"),
        (b"{\n", "json"),
        (b'{ "events": [\n {"event"', "json"),
        (b'{"event":"x",\n "properties":{}}', "json"),
        (b'{"events":[{"event":"x"}]}\n', "json"),
        (b'{"a":1}{"a":2}', "json"),
        (b'{"event": "' + b"x" * HEAD_BYTES, "ndjson"),
        (b'{"properties":{"a":[{"b":1}],"c":"' + b"x" * HEAD_BYTES, "ndjson"),
        (b'{"status":"ok", "events": [ {"event":"' + b"x" * HEAD_BYTES, "json"),
        (b'{"distinct_id":"' + b"x" * HEAD_BYTES, "ndjson"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "stdin", "a.txt"])
def test_by_the_first_bytes(name: str, head: bytes, format_name: str) -> None:
    assert detect(name, head[:HEAD_BYTES]) == format_name


@pytest.mark.parametrize(
    ("head", "format_name"),
    [
        (b"event,time\nx,1\n", "csv"),
        (b"event\ttime, local\nx\t1\n", "tsv"),
        (b"event;time\n", "csv"),
        (b"event,time\rx,1\r", "csv"),
    ],
)
def test_columns(head: bytes, format_name: str) -> None:
    assert detect("stdin", head) == format_name


@pytest.mark.parametrize(
    ("name", "head", "format_name"),
    [("stdin", b"a|b\n", "csv"), ("a.txt", b"a\tb\n", "csv"), ("a.tsv", b"a|b", "tsv"), ("stdin", b"[1]", "json")],
)
def test_a_delimiter_tells_what_is_not_json(name: str, head: bytes, format_name: str) -> None:
    assert detect(name, head, delimiter="|") == format_name


@pytest.mark.parametrize("head", [b"hello\nworld, all\n", b"\x00,\x01", b"7"])
def test_neither_tells(head: bytes) -> None:
    with pytest.raises(UsageProblem, match=r"a\.txt: cannot tell .* --format ndjson\|json\|csv\|tsv"):
        detect("a.txt", head)


def test_the_registry_knows_what_detect_says() -> None:
    assert list(FORMATS) == ["ndjson", "json", "csv", "tsv"]
    for row in FORMATS.values():
        assert {detect(f"a{extension}", b"[" if row.name == "json" else b"") for extension in row.extensions} == {
            row.name
        }
