"""Files that get lines appended: what is written stands there, or is told, whatever others do to the file meanwhile."""

from __future__ import annotations

import os
import select
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from mpimport import line_file
from mpimport.line_file import LineFile, LineFiles


def test_the_file_is_made_with_the_first_line_and_belongs_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "x.rejected.ndjson"
    file = LineFile(path)
    file.close()
    assert not path.exists()
    file.append([b"a\n", b"b\n"])
    assert path.read_bytes() == b"a\nb\n", "it is readable at once"
    file.append([b"c\n"])
    file.close()
    file.close()

    assert file.lines == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = LineFile(path)
    again.append([b"d\n"])
    again.close()
    assert path.read_bytes() == b"a\nb\nc\nd\n"


def test_a_file_that_cannot_be_made_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        LineFile(tmp_path / "none" / "x").append([b"a\n"])


@pytest.mark.parametrize("more", [[b"c\n"], []])
@pytest.mark.parametrize("moved", [True, False])
def test_a_file_that_is_removed_or_moved_away_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: list[bytes], *, moved: bool
) -> None:
    path = tmp_path / "x.rejected.ndjson"
    path.write_bytes(b"of a run before\n")
    file = LineFile(path)
    file.append([b"a\n", b"b\n"])
    if moved:
        path.rename(tmp_path / "elsewhere")
    else:
        path.unlink()
    if more:
        file.append(more)
    file.close()

    before = b"" if moved else b"of a run before\n"
    assert path.read_bytes() == before + b"a\nb\n" + b"".join(more)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(caplog.messages) == 1
    assert f"was {'moved' if moved else 'removed'}; it is written again" in caplog.text


def test_a_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.rejected.ndjson"
    for more in (True, False):
        file = LineFile(path)
        file.append([b"a\n"])
        path.write_bytes(b"")
        with pytest.raises(OSError, match="cut it short: 2 bytes are lost"):
            file.append([b"b\n"]) if more else file.close()
        file.close()


def test_a_place_that_is_no_file_is_written_to(tmp_path: Path) -> None:
    file = LineFile(Path("/dev/null"))
    file.append([b"a\n"])
    file.append([b"b\n"])
    file.close()

    assert file.lines == 2


@pytest.mark.parametrize("meanwhile", [b"", b"of somebody else\n"])
def test_a_full_disk_leaves_no_half_line_and_takes_none_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: bytes
) -> None:
    path = tmp_path / "x.rejected.ndjson"
    file = LineFile(path)
    file.append([b"a\n"])

    def fill(descriptor: int, data: memoryview, _: float) -> int:
        os.write(descriptor, data[:1])
        with path.open("ab") as other:
            other.write(meanwhile)
        monkeypatch.undo()
        monkeypatch.setattr(line_file, "_write", full)
        return 1

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(line_file, "_write", fill)
    with pytest.raises(OSError, match="No space left"):
        file.append([b"bb\n"])
    monkeypatch.undo()
    file.append([b"c\n"])
    file.close()

    assert path.read_bytes() == (b"a\nb" + meanwhile + b"c\n" if meanwhile else b"a\nc\n")


def test_a_pipe_is_written_to_where_somebody_reads_it_and_hangs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, taken = tmp_path / "pipe", []
    os.mkfifo(path)
    with pytest.raises(OSError, match="nobody reads this pipe"):
        LineFile(path).append([b"a\n"])
    reader = threading.Thread(target=lambda: taken.append(path.read_bytes()))
    reader.start()
    file = LineFile(path)
    while not taken:
        try:
            file.append([b"a\n" * 100_000])
            break
        except OSError:
            continue  # the reader is not there yet
    file.close()
    reader.join()
    assert taken == [b"a\n" * 100_000]

    monkeypatch.setattr(line_file, "_STALLED_S", 0.01)
    waits, real = list[float](), select.select

    def waited(*given: Any) -> Any:
        waits.append(given[3])
        return real(*given)

    monkeypatch.setattr(select, "select", waited)
    held = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    for _ in range(3):
        with pytest.raises(OSError, match="has taken nothing"):
            file.append([b"a\n" * 100_000])
    assert (waits[-3:], os.read(held, 2)) == ([0.01, 0.0, 0.0], b"a\n")
    file.close()
    os.close(held)


def test_any_number_of_files_is_written_with_few_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_file, "_MAX_OPEN", 3)
    files, before = LineFiles(), len(list(Path("/dev/fd").iterdir()))
    for again in range(2):
        for number in range(10):
            files.append(tmp_path / f"{number}", [b"%d\n" % again])
            assert len(list(Path("/dev/fd").iterdir())) <= before + 3

    assert files.close() == {}
    assert {(tmp_path / f"{number}").read_bytes() for number in range(10)} == {b"0\n1\n"}
    assert tuple(file.path for file in files.written) == tuple(tmp_path / f"{number}" for number in range(10))


@pytest.mark.parametrize("more", [True, False])
def test_what_is_lost_of_a_file_that_was_not_open_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, more: bool
) -> None:
    monkeypatch.setattr(line_file, "_MAX_OPEN", 1)
    files = LineFiles()
    files.append(tmp_path / "a", [b"a\n"])
    files.append(tmp_path / "b", [b"b\n"])
    (tmp_path / "a").unlink()
    if more:
        with pytest.raises(OSError, match="removed it or cut it short: 2 bytes are lost"):
            files.append(tmp_path / "a", [b"c\n"])
    problems = files.close()

    assert [(path.name, "2 bytes" in str(error)) for path, error in problems.items()] == [("a", True)] * (not more)


def test_a_file_of_earlier_runs_that_is_removed_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"of a run before\n")
    files = LineFiles()
    files.watch(tmp_path / "a")
    files.watch(tmp_path / "none")
    (tmp_path / "a").unlink()

    assert files.close() == {}
    assert (tmp_path / "a").read_bytes() == b"of a run before\n"
    assert not (tmp_path / "none").exists()
