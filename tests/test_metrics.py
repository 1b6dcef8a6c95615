"""Metrics for Prometheus: what they say after each kind of end, read back with Prometheus's own parser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from manual import section
from prometheus_client.parser import text_string_to_metric_families
from running import CREDENTIALS, good_event, write_ndjson
from test_run_report import run

from mpimport import metrics
from mpimport.account import Summary, Tally
from mpimport.errors import UsageProblem
from mpimport.sandbox import Sandbox, SandboxConfig

__all__ = ["run"]  # the fixture


def read(path: Path) -> dict[str, float]:
    """Read the samples, by name and all labels but `import`, which must be the file's name."""
    found = {}
    for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("import") == path.stem
            found["".join((sample.name, *labels.values()))] = sample.value
    return found


def ended(code: int = 0, **tally: Any) -> Summary:
    return Summary(Tally(**tally), exit_code=code, seconds=2.5, dry_run=False, destination="")


def test_counters_go_on_and_times_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now = tmp_path / "shop.prom", 1000.0
    monkeypatch.setattr("mpimport.metrics.time.time", lambda: now)
    metrics.begin(path)
    begun = read(path)
    metrics.end(path, ended(1, read=10, imported=9, rejected=1, requests=3, retries=1, nbytes=900))
    now = 2000.0
    metrics.begin(path)
    metrics.end(path, ended(5, read=4, imported=1, undelivered=3, requests=2, nbytes=100))
    found = read(path)

    assert begun == {"mpimport_last_start_timestamp_seconds": 1000}
    assert found["mpimport_runs_total1"] == found["mpimport_runs_total5"] == 1
    assert [found[f"mpimport_events_total{it}"] for it in ("imported", "rejected", "undelivered")] == [10, 1, 3]
    assert [found[f"mpimport_last_events{it}"] for it in ("imported", "rejected", "undelivered")] == [1, 0, 3]
    assert found["mpimport_last_success_timestamp_seconds"] == 1000
    assert found["mpimport_last_end_timestamp_seconds"] == found["mpimport_last_start_timestamp_seconds"] == 2000
    assert found["mpimport_unfinished"] == 1
    assert found["mpimport_imported_bytes_total"] == 1000


def test_a_run_that_imported_nothing_and_rejected_all_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "shop.prom"
    metrics.end(path, ended(1, read=3, rejected=3))
    assert "mpimport_last_success_timestamp_seconds" not in read(path)

    metrics.end(path, ended(1, read=1, rejected=1, already_imported=2))
    assert "mpimport_last_success_timestamp_seconds" in read(path)


def test_the_second_of_two_runs_at_once_leaves_the_files_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "shop.prom"
    metrics.begin(path)
    before = read(path)
    metrics.fail(path, 7)

    assert read(path) == {**before, "mpimport_runs_total7": 1}


@pytest.mark.parametrize("junk", [b"not { metrics", b"\xff\xfe", b"mpimport_runs_total oops\n", b"other 1\n", b""])
def test_a_file_that_is_none_of_ours_counts_for_nothing(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / ('a "quoted"\\name.prom' if os.name == "posix" else "name.prom")
    path.write_bytes(junk)
    metrics.end(path, ended())

    assert read(path)["mpimport_runs_total0"] == 1


@pytest.mark.parametrize("used_as", ["source", "--rejected", "--secret-file", "--mapping", "--config", "missing"])
def test_a_run_that_is_refused_writes_no_metrics_over_what_it_uses(used_as: str, run: Callable[..., int]) -> None:
    event = write_ndjson(Path("used.prom"), [good_event(1)]).read_bytes()
    write_ndjson(Path("e.ndjson"), [good_event(1)])
    source = {"source": "used.prom", "missing": "missing.ndjson"}.get(used_as, "e.ndjson")
    options = (used_as, "used.prom") if used_as.startswith("--") else ()
    with pytest.raises(UsageProblem):
        run(source, "--sandbox", *options, "--metrics", "used.prom")

    assert Path("used.prom").read_bytes() == event


@pytest.mark.parametrize("content", [b"node_load 1\n", b"\xff\xfe", b"{}"])
def test_a_file_of_somebody_else_is_refused_and_stays(content: bytes, run: Callable[..., int]) -> None:
    Path("m.prom").write_bytes(content)
    write_ndjson(Path("e.ndjson"), [good_event(1)])
    with pytest.raises(UsageProblem, match=r"--metrics m\.prom: holds something else than metrics of mpimport"):
        run("e.ndjson", "--sandbox", "--metrics", "m.prom")

    assert Path("m.prom").read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="links and modes are those of POSIX")
def test_links_of_ones_own_are_followed_and_what_is_there_keeps_its_mode(run: Callable[..., int]) -> None:
    write_ndjson(Path("e.ndjson"), [good_event(1)])
    for name in ("m.prom", "r.json"):
        there = Path(f"there-{name}")
        there.touch(0o640)
        Path(name).symlink_to(there)

    assert run("e.ndjson", "--sandbox", "-q", "--metrics", "m.prom", "--report", "r.json") == 0
    for name in ("m.prom", "r.json"):
        assert Path(name).is_symlink()
        assert Path(name).stat().st_size
        assert Path(name).stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/shop\xff.prom"))
    metrics.end(path, ended())

    assert 'import="shop?"' in path.read_text()


def test_every_metric_is_in_the_readme_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "shop.prom"
    metrics.begin(path)
    metrics.end(path, ended())
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    there = {sample.name for family in families for sample in family.samples}
    table = section("Metrics")

    assert {word for word in table.replace("`", " ").split() if word.startswith("mpimport_")} == there


def test_they_are_written_whatever_happens(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("shop.prom")
    options = ("--metrics", path, "-q", "--no-checkpoint")
    write_ndjson(Path("e.ndjson"), [good_event(1), good_event(2)])
    with Sandbox() as sandbox:
        assert run("e.ndjson", "--url", sandbox.url, *options) == 0
    assert capsys.readouterr() == ("", "")
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(UsageProblem):
        run("gone.ndjson", "--sandbox", *options)
    used_wrongly = read(path)
    with Sandbox(SandboxConfig(secret="another", username="x", project_id="1")) as sandbox:
        assert run("e.ndjson", "--url", sandbox.url, *options) == 4
    refused = read(path)

    assert (used_wrongly["mpimport_last_exit_code"], refused["mpimport_last_exit_code"]) == (2, 4)
    assert [refused[f"mpimport_runs_total{code}"] for code in (0, 2, 4)] == [1, 1, 1]
    assert refused["mpimport_events_totalimported"] == refused["mpimport_last_eventsundelivered"] == 2
    assert CREDENTIALS["MP_SECRET"] not in path.read_text()
