"""Replies that lie, once and for ever, to the command as users run it: what becomes of the events, and the account.

Every lie has its outcome below. Nothing counts as imported unless a documented reply, which nothing in it contradicts,
said so; a lie that goes on ends the run in bounded time, memory and requests.
"""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from running import QUICK_BACKOFF, Ended, assert_balanced, command, environment, good_event, mpimport, ndjson
from scripted_server import Answer, Received, ScriptedServer

from mpimport.brake import MAX_REFUSALS

EVENTS = 120
BATCH = 10
WORKERS = 2
SENDING = ("--batch-size", str(BATCH), "--workers", str(WORKERS), *QUICK_BACKOFF)
IMPATIENT = ("--timeout", "0.5")  # ends what never ends; too short where every reply must be waited for
ALL = {f"id-{number:08}" for number in range(EVENTS)}
HTML = b"<html><head><title>Welcome</title></head><body>Please log in</body></html>"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"

Lie: TypeAlias = "Callable[[Received], Answer]"


def ids_of(request: Received) -> list[str]:
    return [json.loads(line)["properties"]["$insert_id"] for line in request.body.splitlines()]


def told(status: int, document: object, **more: Any) -> Answer:
    return Answer(status, document if isinstance(document, bytes) else json.dumps(document).encode(), **more)


def stored(number: object, **more: object) -> Answer:
    return told(200, {"code": 200, "num_records_imported": number, "status": "OK", **more})


def failed(indexes: Sequence[object], number: object) -> Answer:
    records = [{"index": index, "$insert_id": "x", "field": "properties.time", "message": "bad"} for index in indexes]
    return told(400, {"code": 400, "error": "some failed", "failed_records": records, "num_records_imported": number})


def refused_list(records: object) -> Answer:
    return told(400, {"code": 400, "error": "some failed", "failed_records": records, "num_records_imported": 0})


def bomb(count: int) -> Answer:
    text = b'{"code":200,"status":"OK","num_records_imported":%d' % count + b" " * 50_000_000 + b"}"
    return told(200, gzip.compress(text, 1, mtime=0), headers={"Content-Encoding": "gzip"})


NO_PROOF: dict[str, Lie] = {
    # No word of them is believed: they are sent again, and given up in the end.
    "none counted": lambda _: stored(0),
    "one more counted": lambda request: stored(request.events + 1),
    "less than none counted": lambda request: stored(-request.events),
    "the count of another batch": lambda request: stored(7 if request.events == BATCH else BATCH),
    "a huge count": lambda _: stored(10**4000),
    "no count": lambda _: told(200, {"code": 200, "status": "OK"}),
    "a count as text": lambda request: stored(str(request.events)),
    "a count with a point": lambda request: stored(float(request.events)),
    "a count that is true": lambda _: stored(number=True),
    "a count that is null": lambda _: stored(None),
    "another code": lambda request: stored(request.events, code=500),
    "another status": lambda request: stored(request.events, status="Internal Server Error"),
    "failed records that make no sense": lambda request: stored(request.events, failed_records=[{"index": 99}]),
    "two counts": lambda request: told(200, b'{"num_records_imported":0,"num_records_imported":%d}' % request.events),
    "an empty body": lambda _: told(200, b""),
    "a web page": lambda _: told(200, HTML, headers={"Content-Type": "text/html"}),
    "a web page that says it is JSON": lambda _: told(200, HTML),
    "a JSON list": lambda request: told(200, [{"code": 200, "num_records_imported": request.events}]),
    "a JSON number": lambda request: told(200, request.events),
    "JSON nested too deeply": lambda _: told(200, b"[" * 100_000),
    "no content": lambda _: told(204, b""),
    "201 with the right count": lambda request: told(201, {"code": 200, "num_records_imported": request.events}),
    "206 with the right count": lambda request: told(206, {"code": 200, "num_records_imported": request.events}),
    "101": lambda _: told(101, b"", behind=b"\x00\x01 something else"),
    "cut in the middle": lambda _: Answer(cut=20),
    "cut in a chunk": lambda _: told(
        200, b'a\r\n{"code":20\r\n8\r\n0,"n', headers={"Transfer-Encoding": "chunked"}, close=True
    ),
    "chunks without measure": lambda _: told(200, b"zz\r\n", headers={"Transfer-Encoding": "chunked"}, close=True),
    "a gzip bomb": lambda request: bomb(request.events),
    "gzip that is none": lambda _: Answer(headers={"Content-Encoding": "gzip"}),
    "100 MB, announced": lambda _: Answer(endless=True, headers={"Content-Length": "100000000"}),
    "100 MB in one chunk": lambda _: Answer(
        endless=True, headers={"Transfer-Encoding": "chunked"}, behind=b"5f5e100\r\n"
    ),
    "bytes without an end": lambda _: Answer(endless=True),
    "bytes in single chunks": lambda _: Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000
    ),
    "a byte now and then": lambda _: Answer(endless=True, drip_s=0.05, headers={"Content-Length": "100000"}),
    "headers now and then": lambda _: Answer(drip_headers=True, drip_s=0.05),
    "headers without an end": lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000),
    "a header without an end": lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000),
    "interim replies without an end": lambda _: Answer(raw=EARLY_HINTS * 50_000),
    "no reply": lambda _: Answer(raw=b""),
    "no HTTP": lambda _: Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
    "bytes of any kind": lambda _: Answer(raw=bytes(range(256)) * 8),
    "another HTTP": lambda _: Answer(raw=b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "a reset": lambda _: Answer(reset="after"),
    "429 with a wait that makes no sense": lambda _: told(429, b"", headers={"Retry-After": "-1e99"}),
}

REFUSALS: dict[str, Lie] = {
    # They are sent again in parts. A server that has nothing else to say ends the run.
    "one fewer counted": lambda request: stored(request.events - 1),
    "an index out of range": lambda request: failed([0, request.events], 0),
    "an index below": lambda _: failed([-1], 0),
    "an index as text": lambda _: failed(["0"], 0),
    "an index that is true": lambda _: failed([True], 0),
    "an index that is null": lambda _: failed([None], 0),
    "an index with a point": lambda _: failed([0.0], 0),
    "no index": lambda _: refused_list([{"message": "bad"}]),
    "two lists": lambda _: told(400, b'{"failed_records":[{"index":0}],"failed_records":[],"num_records_imported":0}'),
    "an index twice with different ids": lambda _: refused_list([{"index": 0, "$insert_id": id_} for id_ in "xy"]),
    "entries that are no objects": lambda _: refused_list([0, 1]),
    "a list that is none": lambda _: refused_list({"0": "bad"}),
    "a list that is text": lambda _: refused_list("0"),
    "10,000 entries": lambda _: failed(range(10_000), 0),
    "none named, but all counted": lambda request: failed([], request.events),
    "none named, but some counted": lambda _: failed([], 1),
    "400 with a web page": lambda _: told(400, HTML, headers={"Content-Type": "text/html"}),
    "400 without a body": lambda _: told(400, b""),
    "400 with a list": lambda _: told(400, []),
    "413": lambda _: told(413, HTML),
    "413 with a limit of nothing": lambda _: told(413, {"error": "request exceeds max limit of 0 bytes"}),
    "413 with a limit of a byte": lambda _: told(413, {"error": "request exceeds max limit of 1 bytes"}),
    "413 with a limit that explains nothing": lambda _: told(413, {"error": "exceeds max limit of 999999999 bytes"}),
}

NAMED: dict[str, Lie] = {
    # The first event is named, the rest of the reply makes sense at most in part: the named one is rejected once.
    "an index twice": lambda request: failed([0, 0], request.events - 1),
    "an index 10,000 times": lambda request: failed([0] * 10_000, request.events - 1),
    "named and counted": lambda request: failed([0], request.events),
    "named, and none counted": lambda _: failed([0], -1),
    "named, and no count": lambda _: failed([0], None),
    "named twice and counted twice": lambda request: failed([0, 0], request.events - 2),
    "200 that names and counts": lambda request: stored(request.events, failed_records=[{"index": 0}]),
}

ODD: dict[str, Lie] = {
    # Odd, but true.
    "an interim reply first": lambda _: Answer(before=EARLY_HINTS),
    "many interim replies first": lambda _: Answer(before=b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + EARLY_HINTS * 20),
    "another content type": lambda _: Answer(headers={"Content-Type": "image/png"}),
    "gzip that nobody asked for": lambda request: told(
        200,
        gzip.compress(b'{"num_records_imported":%d}' % request.events, mtime=0),
        headers={"Content-Encoding": "gzip"},
    ),
    "200 that names the failed as none": lambda request: stored(request.events, failed_records=[]),
    "an end of the connection that was not announced": lambda _: Answer(close=True),
}


@dataclass
class Liar:
    """A script for the server: `lie` is told `times` times, the rest is honest, and `stored` what was told truly."""

    lie: Lie
    times: float = float("inf")
    stored: set[str] = field(default_factory=set)

    def __iter__(self) -> itertools.repeat[Callable[[Received], Answer]]:
        return itertools.repeat(self.answer)

    def answer(self, request: Received) -> Answer:
        """Lie, as long as that is due."""
        self.times -= 1
        if self.times >= 0:
            return self.lie(request)
        self.stored.update(ids_of(request))
        return Answer()


def import_from(liar: Liar, cwd: Path, *options: str) -> tuple[Ended, set[str], list[str]]:
    """Import from standard input; give how it ended, and the ids of what was rejected and of what was saved."""
    lines = ndjson([good_event(number) for number in range(EVENTS)])
    with ScriptedServer(liar) as server:
        ended = mpimport("-", "--url", server.url, "--json", *SENDING, *options, cwd=cwd, stdin=lines, timeout_s=60)
    rejected = cwd / "stdin.rejected.ndjson"
    saved = cwd / "stdin.rejected.ndjson.undelivered.ndjson"
    envelopes = [json.loads(line) for line in rejected.read_bytes().splitlines()] if rejected.exists() else []
    undelivered = [json.loads(line) for line in saved.read_bytes().splitlines()] if saved.exists() else []
    refused_ids = [envelope["event"]["properties"]["$insert_id"] for envelope in envelopes]
    saved_ids = [event["properties"]["$insert_id"] for event in undelivered]

    summary = ended.summary
    assert_balanced(summary)
    assert ended.code == summary["exit_code"], ended.err
    assert {envelope["by"] for envelope in envelopes} <= {"server"}
    assert len(set(refused_ids)) == len(refused_ids) == summary["rejected"]
    assert len(set(saved_ids)) == len(saved_ids) == summary["undelivered"]
    assert not set(refused_ids) & set(saved_ids)
    assert "Traceback" not in ended.err
    assert max(map(len, ended.err.splitlines())) < 1000, "what a stranger says is cut short"
    return ended, set(refused_ids), saved_ids


@pytest.mark.parametrize("name", [*NO_PROOF, *REFUSALS])
def test_a_lie_that_is_told_once_costs_a_request_and_no_event(name: str, tmp_path: Path) -> None:
    liar = Liar((NO_PROOF | REFUSALS)[name], times=1)
    ended, _, _ = import_from(liar, tmp_path, *IMPATIENT)

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == EVENTS
    assert liar.stored == ALL
    assert EVENTS // BATCH < ended.summary["requests"] <= EVENTS, "a 413 makes batches smaller, too"


@pytest.mark.parametrize("name", NO_PROOF)
def test_a_lie_that_proves_nothing_is_given_up_after_a_while(name: str, tmp_path: Path) -> None:
    ended, _, saved = import_from(Liar(NO_PROOF[name]), tmp_path, *IMPATIENT, "--give-up-after", "0.2")

    assert ended.code == 5, ended.err
    assert (ended.summary["imported"], ended.summary["rejected"]) == (0, 0)
    assert set(saved) == ALL
    assert "a batch kept failing" in ended.summary["stopped"]
    assert ended.summary["requests"] < 100 * WORKERS


@pytest.mark.parametrize("name", REFUSALS)
def test_a_server_that_refuses_whatever_is_sent_ends_the_run(name: str, tmp_path: Path) -> None:
    ended, rejected, saved = import_from(Liar(REFUSALS[name]), tmp_path)

    assert ended.code == 4, ended.err
    assert ended.summary["imported"] == 0
    assert MAX_REFUSALS <= len(rejected) <= MAX_REFUSALS + WORKERS
    assert saved
    assert "the server refused every request of late" in ended.summary["stopped"]
    assert ended.summary["requests"] < 6 * MAX_REFUSALS


@pytest.mark.parametrize("name", NAMED)
def test_a_named_event_is_rejected_once_and_the_others_are_made_sure_of(name: str, tmp_path: Path) -> None:
    liar = Liar(lambda request: NAMED[name](request) if "id-00000000" in ids_of(request) else Answer())
    ended, rejected, _ = import_from(liar, tmp_path)

    assert ended.code == 1, ended.err
    assert rejected == {"id-00000000"}
    assert ended.summary["imported"] == EVENTS - 1
    assert ended.summary["reasons"] == {"server_invalid": 1}


@pytest.mark.parametrize("name", NAMED)
def test_named_events_that_contradict_the_count_for_ever(name: str, tmp_path: Path) -> None:
    lie = NAMED[name]
    ended, rejected, saved = import_from(Liar(lie), tmp_path, "--give-up-after", "0.1")

    if name in {"an index twice", "an index 10,000 times"}:  # nothing else is wrong with them
        assert ended.code == 1, ended.err
        assert (ended.summary["imported"], len(rejected)) == (EVENTS - EVENTS // BATCH, EVENTS // BATCH)
    else:
        assert ended.code in {1, 5}, ended.err
        assert ended.summary["imported"] == 0
        assert rejected | set(saved) == ALL


@pytest.mark.parametrize("name", ODD)
def test_a_reply_that_is_odd_and_true_is_believed(name: str, tmp_path: Path) -> None:
    ended, _, _ = import_from(Liar(ODD[name]), tmp_path)

    assert ended.code == 0, ended.err
    assert (ended.summary["imported"], ended.summary["requests"]) == (EVENTS, EVENTS // BATCH)


@pytest.mark.parametrize("key", ["$insert_id", "insert_id"])
def test_a_failed_event_is_not_imported_where_another_is_named_in_its_place(tmp_path: Path, key: str) -> None:
    """The event is named by its id, with the index of the one behind it; the server stored all others."""
    bad = "id-00000033"

    def answer(request: Received) -> Answer:
        ids = ids_of(request)
        if bad not in ids:
            return Answer()
        record = {"index": min(ids.index(bad) + 1, len(ids) - 1), key: bad, "field": "event", "message": "bad"}
        return told(400, {"error": "some failed", "failed_records": [record], "num_records_imported": len(ids) - 1})

    ended, rejected, _ = import_from(Liar(answer), tmp_path)

    assert ended.code == 1, ended.err
    assert rejected == {bad}
    assert ended.summary["imported"] == EVENTS - 1


def test_a_wait_of_an_age_is_an_hour(tmp_path: Path) -> None:
    liar = Liar(lambda _: told(503, HTML, headers={"Retry-After": "9" * 400}), times=1)
    ended, _, saved = import_from(liar, tmp_path, "--workers", "1")

    assert ended.code == 5, ended.err
    assert set(saved) == ALL
    assert "asks to wait for 3,600 s or more, longer than --give-up-after 900 allows" in ended.summary["stopped"]


ABOUT_ONE: dict[str, Lie] = {
    "not counted": lambda request: stored(request.events - 1),
    "a web page": REFUSALS["400 with a web page"],
    "a list that makes no sense": REFUSALS["10,000 entries"],
    "too large": REFUSALS["413"],
    "none named, but the others counted": lambda request: failed([], request.events - 1),
}


@pytest.mark.parametrize("name", ABOUT_ONE)
def test_one_event_that_the_server_minds_is_found_and_all_others_arrive(name: str, tmp_path: Path) -> None:
    liar = Liar(lambda request: ABOUT_ONE[name](request) if "id-00000033" in ids_of(request) else Answer())
    ended, rejected, _ = import_from(liar, tmp_path)

    assert ended.code == 1, ended.err
    assert rejected == {"id-00000033"}
    assert ended.summary["imported"] == EVENTS - 1
    assert ended.summary["reasons"] == {"server_refused": 1}
    assert ended.summary["requests"] <= 3 * EVENTS // BATCH


@pytest.mark.parametrize("pad", [0, 20_000], ids=["short", "long"])
def test_a_reply_behind_the_reply_is_not_taken_for_the_next_one(tmp_path: Path, pad: int) -> None:
    body = b'{"code":200,"num_records_imported":%b10,"status":"OK"}' % (b" " * pad)
    lie = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    honest = Liar(lambda request: failed(range(request.events), 0))

    def answer(request: Received) -> Answer:
        return Answer(behind=lie * 2) if len(server.requests) == 1 else honest.answer(request)

    with ScriptedServer(itertools.repeat(answer)) as server:
        (tmp_path / "e.ndjson").write_bytes(ndjson([good_event(number) for number in range(EVENTS)]))
        ended = mpimport("e.ndjson", "--url", server.url, "--json", *SENDING, "--workers", "1", cwd=tmp_path)

    assert ended.code == 1, ended.err
    assert (ended.summary["imported"], ended.summary["rejected"]) == (BATCH, EVENTS - BATCH)
    assert ended.summary["requests"] == EVENTS // BATCH
    assert server.connections == 2


@pytest.mark.parametrize("name", ["100 MB, announced", "100 MB in one chunk", "a gzip bomb", "bytes without an end"])
def test_a_reply_without_measure_does_not_fill_the_memory(name: str, tmp_path: Path) -> None:
    peaks = [_peak_kib(lie, tmp_path) for lie in (ODD["another content type"], NO_PROOF[name])]

    assert peaks[1] < peaks[0] + WORKERS * 20_000, "a worker holds 4 MB of a reply, and copies of it for a moment"


def _peak_kib(lie: Lie, cwd: Path) -> int:
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    (cwd / "e.ndjson").write_bytes(ndjson([good_event(number) for number in range(EVENTS)]))
    with ScriptedServer(Liar(lie, times=6)) as server:
        arguments = command("e.ndjson", "--url", server.url, "-q", *SENDING, *IMPATIENT)
        done = subprocess.run(
            [arguments[0], "-c", script, *arguments], cwd=cwd, env=environment(), capture_output=True, check=True
        )
    return int(done.stdout)
