"""The README and the guides say what the program does: options, codes, keys, modules, files, commands are checked."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from manual import GUIDES, MANUAL, ROOT, section
from running import environment

import mpimport
from mpimport import errors, ledger
from mpimport.account import Summary, Tally
from mpimport.cli import command
from mpimport.endpoints import ENDPOINTS
from mpimport.formats import FORMATS
from mpimport.mends import MENDS
from mpimport.rejects import unwrap
from mpimport.sandbox.cli import main as sandbox_command

PACKAGE = ROOT / "mpimport"
PROSE = re.sub(r"^```.*?^```$", "", MANUAL, flags=re.MULTILINE | re.DOTALL)
COMMANDS = {"mpimport": command, "mpimport-sandbox": sandbox_command}
SIGNALS = {129, 130, 143}
NO_DEFAULT = "\N{EN DASH}"
ENDS_A_COMMAND = re.compile(r"[|&;<>]+")


def rows(text: str) -> list[list[str]]:
    """Give the cells of all rows of the Markdown tables in a text, without their headers."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = {number for number, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def quoted(text: str) -> list[str]:
    """Give what stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def blocks(language: str) -> list[str]:
    """Give the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", MANUAL, flags=re.MULTILINE | re.DOTALL)


def option_rows(program: str) -> dict[str, list[str]]:
    """Give the rows of a program's option tables by each name of the option that they are about."""
    found = re.search(rf"<!-- options: {program} -->(.*?)<!-- options: end -->", MANUAL, flags=re.DOTALL)
    assert found, program
    return {name.split()[0]: row for row in rows(found[1]) for name in quoted(row[0])}


def options_of(program: str) -> list[click.Option]:
    """Give the options of a program, `--help` among them."""
    context = COMMANDS[program].make_context(program, [], resilient_parsing=True)
    return [option for option in context.command.get_params(context) if isinstance(option, click.Option)]


def default_of(option: click.Option, program: str) -> str | None:
    """Write a default as the MANUAL does; None where it is for the MANUAL to say."""
    value = option.get_default(click.Context(COMMANDS[program]))
    if option.is_flag and not option.secondary_opts:
        return "off"
    if isinstance(value, tuple) and value:
        return " ".join(f"{one:g}" for one in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, (int, str)) else None


def default_by_endpoint() -> dict[str, str]:
    """Write the defaults that depend on the endpoint as the MANUAL and the help do."""
    rows = ENDPOINTS.values()
    values: dict[str, list[object]] = {
        "--batch-size": [row.max_events for row in rows],
        "--gzip-level": [row.gzip_level or "none" for row in rows],
        "--content-type": [row.framings[0] for row in rows],
    }
    names = ["", *(f"{row.name} " for row in list(rows)[1:])]
    return {
        option: "; ".join(f"{name}{value}" for name, value in zip(names, found, strict=True))
        for option, found in values.items()
    }


# Options.


@pytest.mark.parametrize("program", COMMANDS)
def test_every_option_is_in_the_table_and_no_other(program: str) -> None:
    there = {name for option in options_of(program) for name in (*option.opts, *option.secondary_opts)}

    assert set(option_rows(program)) == there


@pytest.mark.parametrize("program", COMMANDS)
def test_every_option_has_its_default_and_its_variables(program: str) -> None:
    table, by_endpoint = option_rows(program), default_by_endpoint()
    for option in options_of(program):
        if {"--help", "--version"} & set(option.opts):
            continue
        row = table[option.opts[0]]
        shown, wanted = row[2].replace("`", ""), default_of(option, program)
        if program == "mpimport" and option.opts[0] in by_endpoint:
            wanted = by_endpoint[option.opts[0]]
            assert f"[default: {wanted}]" in (option.help or "")
        if wanted is not None:
            assert shown == wanted, option.name
        else:
            assert not shown[:1].isdigit(), option.name
            assert (shown == NO_DEFAULT) == ("[default: " not in (option.help or "")), option.name
        if program == "mpimport":
            variables = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
            assert quoted(row[3]) == variables, option.name


@pytest.mark.parametrize("program", COMMANDS)
def test_every_choice_is_named(program: str) -> None:
    for option in options_of(program):
        if isinstance(option.type, click.Choice):
            cell = option_rows(program)[option.opts[0]][0].replace("\\", "").strip("`")
            assert cell.split()[1].split("|") == list(option.type.choices)


def test_no_option_is_named_that_does_not_exist() -> None:
    there = {name for program in COMMANDS for option in options_of(program) for name in option.opts}
    there |= {name for option in options_of("mpimport") for name in option.secondary_opts}

    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", PROSE)) <= there


def test_no_variable_is_named_that_is_not_read() -> None:
    sources = " ".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    there = set(re.findall(r'"(MP_[A-Z_]+)"', sources))
    for option in options_of("mpimport"):
        there |= {option.envvar} if isinstance(option.envvar, str) else set(option.envvar or ())

    assert set(re.findall(r"\bMP(?:IMPORT)?_[A-Z_]+\b", MANUAL)) <= there


# Tables.


def test_the_exit_codes_are_those_of_the_errors() -> None:
    raised = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    named = {int(code) for row in rows(section("Exit codes")) for code in row[0].split(", ")}

    assert named == {0, 1} | raised | SIGNALS


def test_the_keys_of_the_summary_are_all_described() -> None:
    there = Summary(Tally(), exit_code=0, seconds=0.0, dry_run=True, destination="").as_json()

    assert [quoted(row[0])[0] for row in rows(section("The summary for programs"))] == list(there)


def reason_codes() -> Iterator[str]:
    """Find every code that a `Reason` is made with."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reason":
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    yield str(code.value)
                else:
                    assert isinstance(code, ast.Name), f"{path}:{node.lineno}: a code that no table can list"
                    yield str(getattr(ledger, code.id))


def test_every_reason_for_a_reject_is_in_the_table_and_no_other() -> None:
    tables = [*rows(section("Reasons for rejects")), *rows(section("Mends"))]
    named = [code for row in tables if row[0] for code in quoted(row[0])]

    assert sorted(named) == sorted({*reason_codes(), *MENDS})


def test_every_format_and_endpoint_is_named() -> None:
    assert [quoted(row[0])[0] for row in rows(section("Sources and formats"))] == list(FORMATS)
    assert all(f"`--endpoint {name}" in MANUAL for name in ENDPOINTS)


def test_the_map_names_every_module_and_no_other() -> None:
    named = [quoted(row[0])[0] for row in rows(section("Map of the code"))]
    modules = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    in_c = [path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "recogniser").iterdir()]

    assert sorted(named) == sorted(modules + in_c)


def test_every_target_of_make_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE)

    assert sorted(quoted(row[0])[0] for row in rows(section("Development"))) == sorted(f"make {it}" for it in targets)


def test_every_argument_of_the_library_is_named() -> None:
    arguments = set(inspect.signature(mpimport.import_events).parameters) - {"events"}

    assert arguments - set(re.findall(r"\w+", section("Recipes"))) == set()


# Files, links and the changelog.


def slugs(text: str) -> set[str]:
    """Give what the headings of a text are linked by."""
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("place", [ROOT / "README.md", ROOT / "CHANGELOG.md", *GUIDES], ids=lambda path: path.name)
def test_every_link_leads_somewhere(place: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", place.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            there = place.parent / path if path else place
            assert there.exists(), target
            assert not heading or heading in slugs(there.read_text(encoding="utf-8")), target


def test_every_file_that_is_named_exists() -> None:
    map_and_prose = [word for text in quoted(PROSE) for word in text.split()]
    modules = {path.name for path in PACKAGE.rglob("*.py")}
    for word in map_and_prose:
        if re.match(r"(?:examples|tests|mpimport)/", word):
            assert (ROOT / word).exists(), word
        elif re.fullmatch(r"(?:formats|sandbox)/\S*", word):
            assert (PACKAGE / word).exists(), word
        elif re.fullmatch(r"[\w.]+\.py", word):
            assert word in modules, word


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", MANUAL))
    there = {
        name
        for path in (ROOT / "tests").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= there


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version

    assert re.findall(r"^## \[(.+?)\] - (?:unreleased|\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)[0] == version[1]


# Commands, sessions and code.


def command_lines() -> Iterator[list[str]]:
    """Find every call of one of our programs in the README's shell blocks, as words."""
    prompted = re.findall(r"^\$ (.*\n)", "".join(blocks("console")), flags=re.MULTILINE)
    for block in (*blocks("sh"), *prompted):
        for line in block.splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in (*lexer, ";"):
                if not ENDS_A_COMMAND.fullmatch(word):
                    words.append(word)
                    continue
                while words and re.match(r"\w+=", words[0]):
                    words.pop(0)
                if words and words[0] in COMMANDS:
                    yield words
                words = []


CALLS = list(command_lines())


def test_there_are_commands_to_check() -> None:
    assert {words[0] for words in CALLS} == set(COMMANDS)
    assert len(CALLS) >= 10


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_a_command_line_is_one_that_the_program_takes(words: list[str]) -> None:
    name, *arguments = words

    context = COMMANDS[name].make_context(name, arguments)

    assert context.params


def plain(text: str) -> list[str]:
    """Take out of an output what differs from run to run: ports, speed and, where it is no terminal's, the time."""
    text = re.sub(r"^\d{4}-\d\d-\d\dT[\d:]{8}\+00:00 ", "", text, flags=re.MULTILINE)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    return re.sub(r"[\d.]+ s, [\d,]+ events/s", "SPEED", text).split("\n")


@pytest.mark.parametrize("session", blocks("console"))
def test_a_session_goes_as_it_is_shown(session: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shown, _, output = session.partition("\n")
    arguments = shlex.split(shown.removeprefix("$ mpimport "))
    done = subprocess.run(
        [sys.executable, "-m", "mpimport", *arguments],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert plain(done.stderr) == plain(output)


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_runs_and_prints_what_is_said(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "sandbox=True" in code

    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})

    assert f"This prints `{capsys.readouterr().out.strip()}`" in MANUAL


def test_the_json_is_json_and_the_envelope_is_one() -> None:
    lines = [line for block in blocks("json") for line in block.splitlines()]
    for line in lines:
        json.loads(line)

    assert [unwrap(line.encode()) is not None for line in lines].count(True) == 1


def test_no_place_of_some_machine_is_named() -> None:
    assert not re.search(r"/(?:home|Users|root|work|tmp)/", MANUAL)
    assert os.fspath(ROOT) not in MANUAL
