"""What a run writes, and what earlier runs wrote: neither is mixed with, or taken for, something else."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import CREDENTIALS, good_event, ndjson, write_ndjson
from scripted_server import ScriptedServer

from mpimport.cli import command
from mpimport.errors import UsageProblem
from mpimport.left_behind import kind_of
from mpimport.settle import rejected_paths


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in this process, in a folder of its own, with a source of one good and one bad event."""
    monkeypatch.chdir(tmp_path)
    write_ndjson(Path("e.ndjson"), [good_event(1), {"event": ""}])

    def started(*arguments: object) -> int:
        return int(command.main([*map(str, arguments)], standalone_mode=False))

    return started


@contextmanager
def redirected(number: int, path: str) -> Iterator[None]:
    """Let a standard stream of this process go to a file, as a shell does."""
    kept = os.dup(number)
    with Path(path).open("ab") as file:
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--report", "o.json"), "--report o.json: {stream} goes there, too"),
        (("--rejected", "o.json"), "--rejected o.json: {stream} goes there, too"),
        (("--dry-run", "--audit", "o.json"), "--audit o.json: {stream} goes there, too"),
        (("o.json",), "a source o.json: {stream} goes there, too"),
    ],
)
@pytest.mark.parametrize(("number", "stream"), [(1, "standard output"), (2, "standard error")])
def test_a_file_that_a_stream_goes_to_takes_nothing_else(
    options: tuple[str, ...], words: str, number: int, stream: str, run: Callable[..., int]
) -> None:
    with redirected(number, "o.json"), pytest.raises(UsageProblem, match=re.escape(words.format(stream=stream))):
        run("e.ndjson", "--sandbox", *options)

    assert Path("o.json").read_bytes() == b""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dry-run", "--audit", "a.json", "--report", "./x/../a.json"), "--audit a.json: is --report (x/../a.json)"),
        (("--dry-run", "--audit", "e.ndjson"), "--audit e.ndjson: is a source (e.ndjson), too"),
        (("--rejected", "e.ndjson"), "e.ndjson: rejects are written there, too"),
        (("--report", "null.json"), "--report null.json: is no regular file, and would be replaced by one"),
        (("--report", "a.html", "--report", "./a.html"), "--report a.html: is --report (a.html), too"),
        (("--dry-run", "--audit", "mine.json"), "--audit mine.json: holds something else, which would be lost"),
        (("--dry-run", "--audit", "export.json"), "--audit export.json: holds something else, which would be lost"),
        (("--report", "mine.json"), "--report mine.json: holds something else, which would be lost"),
        (("--metrics", "m.prom", "--report", "linked.json"), "--metrics m.prom: is --report (linked.json)"),
    ],
)
def test_no_two_of_the_files_are_one(options: tuple[str, ...], words: str, run: Callable[..., int]) -> None:
    Path("x").mkdir()
    Path("m.prom").touch()
    Path("mine.json").write_text('{"my":"data, imported by mpimport"}', encoding="utf-8")
    Path("export.json").write_text('{\n  "events": [\n', encoding="utf-8")
    os.link("m.prom", "linked.json")
    Path("null.json").symlink_to(os.devnull)
    with pytest.raises(UsageProblem, match=re.escape(words)):
        run("e.ndjson", "--sandbox", *options)

    assert Path("e.ndjson").stat().st_size


def test_nowhere_takes_everything(run: Callable[..., int]) -> None:
    assert run("e.ndjson", "--dry-run", "--rejected", os.devnull, "--audit", os.devnull) == 1


def test_rejects_are_told_to_have_been_added(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("e.ndjson", "--dry-run", "-q", "--json") == 1
    assert json.loads(capsys.readouterr().out)["notes"] == []
    size = Path("e.ndjson.rejected.ndjson").stat().st_size
    assert run("e.ndjson", "--dry-run", "-q", "--json") == 1
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith(f"e.ndjson.rejected.ndjson: 1 line added to the {size} B that it held before")


def test_what_earlier_runs_wrote_is_no_source(run: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    write_ndjson(Path("e.json"), [good_event(1)])
    told = ("--audit", "audit.json", "--report", "report.json", "--rejected", "bad.json", "--json")
    assert run("e.ndjson", "--dry-run", *told) == 1
    Path("summary.json").write_text(capfd.readouterr().out)
    with redirected(1, "again.json"):
        assert run("*.json", "--dry-run", "--json") == 0
    out, err = capfd.readouterr()

    assert "left out again.json, audit.json, bad.json, report.json, summary.json, which mpimport itself wrote" in err
    assert json.loads(out)["read"] == 1
    with pytest.raises(UsageProblem, match="a glob matches only what mpimport itself wrote"):
        run("[b]*.json", "--dry-run")
    with pytest.raises(UsageProblem, match=r"report\.json: is what an earlier run of mpimport tells"):
        run("e.json", "report.json", "--dry-run")
    assert run("e.json", "bad.json", "--dry-run") == 1
    assert "bad.json: holds rejects of an earlier run" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd here")
def test_the_rejects_of_a_descriptor_are_in_the_working_directory(run: Callable[..., int]) -> None:
    reader, writer = os.pipe()
    os.write(writer, ndjson([good_event(1)]) + b"no event\n")
    os.close(writer)
    try:
        assert run(f"/dev/fd/{reader}", "--sandbox") == 1
    finally:
        os.close(reader)
    assert json.loads(Path(f"fd{reader}.rejected.ndjson").read_text())["raw"] == "no event"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/dev/fd/63", "fd63"),
        ("/proc/self/fd/0", "fd0"),
        ("/dev/stdin", "stdin"),
        ("/dev/shm/a.ndjson", "/dev/shm/a.ndjson"),
        ("dev/a.ndjson", "dev/a.ndjson"),
        ("/devices/a.ndjson", "/devices/a.ndjson"),
    ],
)
def test_rejects_are_beside_their_source_where_files_can_be(source: str, name: str) -> None:
    assert rejected_paths(None)(source) == Path(f"{name}.rejected.ndjson")


def test_what_a_glob_leaves_out_is_no_warning(run: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    write_ndjson(Path("b.ndjson"), [good_event(1)])
    Path("b.ndjson.rejected.ndjson").write_text("")
    Path("r.ndjson").write_text('{"source":"a","line":1,"by":"client","reasons":[]}\n')

    assert run("[br]*.ndjson", "--sandbox") == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 2
    assert not any("warning" in line for line in told)
    assert run("[br]*.ndjson", "--sandbox", "-q") == 0
    assert "left out" not in capfd.readouterr().err


def test_pages_and_metrics_of_earlier_runs_are_no_source(
    run: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    write_ndjson(Path("b.json"), [good_event(1)])
    assert run("b.json", "--sandbox", "--report", "rr.html", "--metrics", "m.prom") == 0
    assert run("[bmr]*", "--dry-run") == 0

    assert "left out m.prom, rr.html, which mpimport itself wrote" in capfd.readouterr().err
    for name in ("rr.html", "m.prom"):
        with pytest.raises(UsageProblem, match=rf"{name}: is what an earlier run of mpimport tells \(a summary"):
            run("b.json", name, "--dry-run")
    Path("rr.html").write_text("<!doctype html><title>Log in</title>")
    with pytest.raises(UsageProblem, match=r"rr\.html: is a web page"):
        run("[br]*", "--dry-run")


def test_what_an_earlier_run_told_is_replaced(run: Callable[..., int]) -> None:
    for _ in range(2):
        assert run("e.ndjson", "--dry-run", "--audit", "a.json", "--report", "r.html", "--report", "r.json") == 1


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"mpimport_checkpoint":1', "told"),
        (b'{"source":"a \\"b.ndjson","line":3,"by":"client","reasons":[{"code":"x"', "rejects"),
        (b'{"source":"app","line":3,"by":"client","event":"x"}', None),
        (b'{"read": 1, "imported": 1, "event": "x"}', None),
        (b'{"events": [{"event": "x"}]}', None),
        (b"", None),
    ],
)
def test_what_is_ours_is_told_by_its_beginning(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


WRONG_PLACES: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe that nobody reads": os.mkfifo,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "none/in no folder": lambda _: None,
    "/proc/in a folder that takes none": lambda _: None,
}


@pytest.mark.parametrize("place", WRONG_PLACES)
@pytest.mark.parametrize("option", ["--rejected", "--report", "--metrics", "--audit", "--checkpoint"])
def test_where_nothing_can_be_written_is_told_before_anything_is_sent(
    option: str, place: str, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    path = Path(f"{place}.prom" if option == "--metrics" else f"{place}.html")
    WRONG_PLACES[place](path)
    with ScriptedServer([]) as server, pytest.raises(UsageProblem, match=str(path)):
        run("e.ndjson", option, path, "--url", server.url, *(("--dry-run",) if option == "--audit" else ()))

    assert not server.requests


@pytest.mark.parametrize(("option", "more"), [("--rejected", ()), ("--audit", ("--rejected", os.devnull))])
def test_a_pipe_that_is_read_takes_what_is_written(option: str, more: tuple[str, ...], run: Callable[..., int]) -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert run("e.ndjson", "--dry-run", option, "pipe", *more) == 1

    with os.fdopen(reader, "rb") as file:
        assert b'"event_empty"' in file.read()
