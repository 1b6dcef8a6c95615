"""The before/after examples of the README and the guides are run: what they show is what arrives.

An example is a fenced block `shell-session`. Before any command stand files, each as `$ cat NAME` and its
text. Then come commands, `$ mpimport ...`, and under each what it leads to:

    {...}           an event that is stored, in the order of the input; `ip` is left out, and so is an
                    `$insert_id` that is not shown
    # words         words that are in what the command says (`...` stands for anything)

`x{240}` stands for 240 times x. Files are written in the encoding that the command names.

The exit code is 1 if the words tell of a reject ("# rejected: ..."), 2 if they tell of a refusal
("# refused: ..."), else 0. Every command imports into a sandbox of its own.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
from manual import MANUAL

from mpimport.audit import AuditReport
from mpimport.cli import command, main
from mpimport.mapping import ALIASES
from mpimport.mapping_file import KEYS
from mpimport.sandbox import Sandbox

CODES = {"rejected: ": 1, "refused: ": 2}


@dataclass
class Example:
    """One command with its files and what is shown under it."""

    line: str
    files: dict[str, str]
    events: list[Any] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code that the words tell of."""
        return max((CODES[start] for start in CODES for text in self.words if text.startswith(start)), default=0)


def examples() -> Iterator[Example]:
    """Find all examples."""
    for found in re.findall(r"^```shell-session\n(.*?)^```$", MANUAL, flags=re.MULTILINE | re.DOTALL):
        block = re.sub(r"(\w)\{(\d+)\}", lambda times: times[1] * int(times[2]), found)
        files: dict[str, str] = {}
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            if line.startswith("cat "):
                files[line.removeprefix("cat ")] = shown
                continue
            lines = shown.splitlines()
            words = [text.removeprefix("# ") for text in lines if text.startswith("# ")]
            yield Example(line, files, [json.loads(text) for text in lines if text[:2] != "# "], words)


EXAMPLES = list(examples())


def run(
    example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, list[Any]]:
    """Run the command of an example; give its exit code, what it said and what was stored."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MP_SECRET", "secret")
    program, *arguments = shlex.split(example.line)
    encoding = arguments[arguments.index("--encoding") + 1] if "--encoding" in arguments else "utf-8"
    for name, text in example.files.items():
        (folder / name).write_text(text, encoding=encoding)
    assert program == "mpimport"
    with Sandbox() as sandbox:
        where = ["--url", sandbox.url, "--project-id", "1", "--username", "importer", "--no-progress"]
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *where])
        return int(str(ended.value.code)), capsys.readouterr().err, sandbox.events()


def as_shown(stored: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a stored event what an example need not show."""
    made = {"ip", "$insert_id"} - shown["properties"].keys()
    properties = {name: value for name, value in stored["properties"].items() if name not in made}
    return {"event": stored["event"], "properties": properties}


def pattern_of(words: str) -> str:
    """Make a pattern of words in which `...` stands for anything."""
    for start in CODES:
        words = words.removeprefix(start)
    return ".*".join(map(re.escape, words.split("...")))


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{number} {one.line}" for number, one in enumerate(EXAMPLES)])
def test_an_example_leads_to_what_is_shown(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, stored = run(example, tmp_path, monkeypatch, capsys)

    assert code == example.exit_code, said
    assert len(stored) == len(example.events), said
    for event, shown in zip(stored, example.events, strict=True):
        found = as_shown(event, shown)
        assert json.dumps(found, sort_keys=True) == json.dumps(shown, sort_keys=True)
    for words in example.words:
        assert re.search(pattern_of(words), said), said


def test_every_option_about_events_has_an_example() -> None:
    used = {word for example in EXAMPLES for word in shlex.split(example.line) if word.startswith("--")}

    wanted = {f"--{name}" for name in KEYS} | {"--mapping", "--delimiter", "--misfit", "--encoding"}
    assert wanted <= used


def test_every_alias_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ((?:`\w+`,? ?)+) \|$", MANUAL, flags=re.MULTILINE)

    assert {target: tuple(re.findall(r"\w+", names)) for target, names in rows if target in ALIASES} == ALIASES


def test_every_key_of_the_audit_is_in_the_table() -> None:
    table = MANUAL.partition("`--audit FILE.json` writes")[2].partition("\n## ")[0]
    keys = [
        key for cell in re.findall(r"^\| (`.+?) \| ", table, flags=re.MULTILINE) for key in re.findall(r"\w+", cell)
    ]

    assert keys == [*(one.name for one in fields(AuditReport)), "account"]


def test_every_key_of_a_mapping_file_is_an_option_of_that_name() -> None:
    names = {option.removeprefix("--") for param in command.params for option in param.opts}

    assert set(KEYS) <= names
