"""What helps somebody to find the right option: the help, misspellings, completion, the manual page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mpimport import cli, manual
from mpimport.misspelt import CALLED, INSTEAD
from mpimport.options import GROUPS
from mpimport.spelling import SYNONYMS, nearest
from mpimport.value_types import KINDS

FILES = {"mpimport": "[profile.prod]\n[profile.staging]\n[profile.'$(reboot)']", "other": "[profile.else]"}
OPTIONS = [it for it in cli.command.params if isinstance(it, click.Option)]
PAGE = Path(manual.__file__).with_name("mpimport.1")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(arguments))
    return int(end.value.code or 0)


def in_shell(command: list[str], folder: Path) -> str:
    """Run a shell that finds the command, and whose working directory and home are a folder."""
    program = folder / "bin" / "mpimport"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mpimport "$@"\n')
    program.chmod(0o700)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_help_has_every_option_in_a_group_with_its_variable_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--help") == 0
    told = capsys.readouterr().out

    assert [line for line in told.splitlines() if len(line) > 80] == []
    assert [line[:-1] for line in told.splitlines() if line[:-1] in GROUPS.values()] == list(GROUPS.values())
    words = " ".join(told.split())
    for option in OPTIONS:
        assert all(name in words for name in (*option.opts, *option.secondary_opts))
        for variable in [option.envvar] if isinstance(option.envvar, str) else option.envvar or ():
            assert variable in words
    assert words.index("--help") < words.index("Examples:")


def test_in_a_narrow_terminal_no_variable_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "50")

    assert run("--help") == 0
    words = re.split(r"[\s\[\],;]+", capsys.readouterr().out)
    assert {it.envvar[0] if isinstance(it.envvar, list) else it.envvar for it in OPTIONS if it.envvar} <= {*words}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--wrokers", "3"], "Did you mean --workers?"),
        (["--dry"], "Did you mean --dry-run?"),
        (["--DRY_RUN"], "Did you mean --dry-run?"),
        (["e.ndjson", "-dry-run"], "No such option -dry-run. Did you mean --dry-run?"),
        (["e.ndjson", "-verbose"], "Did you mean --verbose?"),
        (["e.ndjson", "-phunter2"], "No such option -p. Did you mean --project-id?"),
        (["--dry\u2011run"], "Did you mean --dry-run?"),
        (["\u2014dryrun"], "'\u2014dryrun' begins with a dash, where an option has two hyphens: type --dry-run"),
        (["--tz", "UTC"], "Did you mean --timezone?"),
        (["--time", "ts"], "Did you mean --time-field, --time-format, --timezone or --timeout?"),
        (["--events-per-second", "3"], "Did you mean --max-events-per-second?"),
        (["--config-file", "x"], "Did you mean --config?"),
        (["--gzip"], "It is so without an option; --no-gzip turns it off."),
        (["--no-json"], "It is off where nothing gives --json."),
        (["--input", "x"], "Files stand without an option: mpimport FILE."),
        (["--api-key", "hunter2"], "give --api-secret-file PATH, or set MP_API_SECRET."),
        (
            ["--rejected", "--dry-run"],
            "'--rejected' needs a value, but --dry-run follows it: write one, or leave it out.",
        ),
        (["--report", "-q", "--set", "-v"], "'--set' needs a value, but -v follows it"),
        (["--region", "--dry-run"], "'--region' needs a value, but --dry-run follows it"),
        (["--backoff-jitter", "1", "--dry-run"], "'--backoff-jitter' needs a value, but --dry-run follows it"),
        (["--token", "--hunter2=hunter2", "--dry-run=yes", "--token"], "'--token' requires an argument"),
        (["--dry-run=yes"], "does not take a value: write --dry-run alone to have it, or leave it out."),
        (["--dry-run=yes", "--region", "xx", "--wrokers", "3"], "'xx' is not one of"),
        (["--dry-run=yes", "--region", "xx", "--wrokers", "3"], "Did you mean --workers?"),
        (["--region", "us1", "--dry-run=yes", "--token"], "Did you mean us?"),
        (["--region", "us1", "--dry-run=yes", "--token"], "'--token' requires an argument: write what it takes"),
        (["--token"], "write what it takes behind --token. mpimport --help shows all options."),
        (["--log-format", "xml"], "'xml' is not one of 'text', 'json'. mpimport --help shows all options."),
        (["--xyzzy"], "No such option '--xyzzy'. mpimport --help shows all options."),
        (["--region", "us1"], "Did you mean us?"),
        (["--region", "Europe"], "Did you mean eu?"),
        (["--format", "jsonl"], "Did you mean ndjson?"),
        (["--endpoint", "imports"], "Did you mean import?"),
        (["--secret-fiel", "x"], "Did you mean --secret-file?"),
        (["--secret", "hunter2"], "give --secret-file PATH, or set MP_SECRET."),
        (["--api-secret=hunter2"], "give --api-secret-file PATH, or set MP_API_SECRET."),
        (["--password", "hunter2"], "no option takes a secret's value"),
    ],
)
def test_what_was_meant_is_said(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert words in (told.replace("'", "") if "mean" in words else told)  # not every click quotes
    assert "hunter2" not in told


def test_all_that_is_wrong_with_a_command_line_is_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("e.ndjson", "--wrokers", "3", "--timeout", "x", "\u2013dry-run", "--region", "de", "--", "--x") == 2
    *told, end = capsys.readouterr().err.splitlines()

    assert [word for word in ("--wrokers", "\u2013dry-run", "--timeout", "--region") if word not in str(told)] == []
    assert len(told) == 4
    assert all(" mpimport: " in line for line in told)
    assert end == "Nothing was sent."


def test_what_others_call_an_option_is_none_of_ours() -> None:
    ours = {name.removeprefix("--") for it in cli.command.params for name in (*it.opts, *it.secondary_opts)} | {"help"}

    assert set(CALLED) <= ours
    assert not {*INSTEAD, *" ".join(CALLED.values()).split()} & ours


def test_a_synonym_is_one_for_something_that_there_is() -> None:
    choices = {choice for it in OPTIONS if isinstance(it.type, click.Choice) for choice in it.type.choices}

    assert set(SYNONYMS.values()) <= choices
    assert nearest("jsonl", ["csv"]) is None


# Completion.


@pytest.mark.parametrize(
    ("typed", "position", "wanted"),
    [
        ("mpimport --reg", 1, ["plain,--region"]),
        ("mpimport --region ", 2, ["plain,us", "plain,eu", "plain,in"]),
        ("mpimport --region=e", 1, ["plain,eu"]),
        ("mpimport exp", 1, ["file,exp"]),
        ("mpimport a.csv b", 2, ["file,b"]),
        ("mpimport --secret-file s", 2, ["file,s"]),
        ("mpimport --json-path s", 2, []),
        ("mpimport --profile ", 2, ["plain,prod", "plain,staging"]),
        ("mpimport --profile s", 2, ["plain,staging"]),
        ("mpimport --config other.toml --profile ", 4, ["plain,else"]),
        ("mpimport --config gone.toml --profile ", 4, []),
        ("mpimport --delimiter t", 2, ["plain,tab"]),
        ("mpimport --type zip=", 2, [f"plain,zip={kind}" for kind in KINDS]),
        ("mpimport --type zip=st", 2, ["plain,zip=string"]),
        ("mpimport --type zip = st", 4, ["plain,string"]),  # as bash cuts words
        ("mpimport --type zip =", 3, [f"plain,{kind}" for kind in KINDS]),
        ("mpimport --region = e", 3, ["plain,eu"]),
        ("mpimport --type zip = string --region e", 6, ["plain,eu"]),
        ("mpimport --type zi", 2, []),
        ("mpimport --timezone Europe/Berl", 2, ["plain,Europe/Berlin"]),
        ("mpimport --timezone europe/berl", 2, ["plain,Europe/Berlin"]),
    ],
)
def test_options_values_and_files_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, position: int,
    wanted: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("_MPIMPORT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(f"{name}.toml").write_text(text)
        Path(f"{name}.toml").chmod(0o600)
    monkeypatch.setenv("COMP_CWORD", str(position))

    assert run() == 0
    assert capsys.readouterr().out.split() == wanted


@pytest.mark.parametrize(("shell", "at"), [("zsh", "1"), ("fish", "--region=e")])
def test_what_stands_behind_an_option_does_not_replace_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, at: str
) -> None:
    monkeypatch.setenv("_MPIMPORT_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "mpimport --region=e")
    monkeypatch.setenv("COMP_CWORD", at)

    assert run() == 0
    assert "--region=eu" in capsys.readouterr().out.replace(",", "\n").split()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_there_is_a_script_for_each_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    monkeypatch.setenv("_MPIMPORT_COMPLETE", f"{shell}_source")

    assert run() == 0
    assert f"_MPIMPORT_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish to complete in")
def test_a_real_fish_completes_files_behind_an_option_and_whole_descriptions(tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").touch()
    script = """
_MPIMPORT_COMPLETE=fish_source mpimport | source
complete -C 'mpimport --rejected=ev'
complete -C 'mpimport --rejected ev'
complete -C 'mpimport --delimiter '
complete -C 'mpimport --renam'
"""
    told = in_shell(["fish", "-c", script], tmp_path).splitlines()

    assert told[:3] == ["--rejected=events.ndjson", "events.ndjson", "bar"]
    assert told[-1].endswith("may be given several times, as may --drop, --keep, --set, --type and --drop-long.")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh to complete in")
def test_a_real_zsh_takes_the_script_and_looks_for_files_behind_an_option(tmp_path: Path) -> None:
    script = """
autoload -Uz compinit && compinit -D
eval "$(_MPIMPORT_COMPLETE=zsh_source mpimport)"
compset() { echo "compset $*"; }
_path_files() { echo "_path_files $*"; }
words=(mpimport --rejected=ev) CURRENT=2
$_comps[mpimport]
"""
    assert in_shell(["zsh", "-f", "-c", script], tmp_path).splitlines() == ["compset -P --*=", "_path_files -f"]


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="there is no bash to complete in")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    script = """
eval "$(_MPIMPORT_COMPLETE=bash_source mpimport)"
COMP_WORDS=(mpimport --endpoint t) COMP_CWORD=2
$(complete -p mpimport | sed 's/.*-F \\([^ ]*\\) .*/\\1/') mpimport t --endpoint
printf '%s\\n' "${COMPREPLY[@]}"
"""
    assert in_shell(["bash", "-c", script], tmp_path).split() == ["track"]


# The manual page.


def test_the_manual_page_is_made_from_the_options_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == manual.render(), "make man writes it anew"
    for option in OPTIONS:
        assert all(name.replace("-", r"\-") in page for name in (*option.opts, *option.secondary_opts))


def installed(program: str) -> pytest.MarkDecorator:
    """Skip a case where its program is not; `.ci/run` installs both."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed (Debian: apt-get install {program})"
    )


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["groff", "-man", "-Tutf8", "-ww", "-z"], marks=installed("groff"), id="groff"),
        pytest.param(["mandoc", "-T", "lint", "-W", "error"], marks=installed("mandoc"), id="mandoc"),
    ],
)
def test_the_manual_page_renders_without_warnings(command: list[str]) -> None:
    done = subprocess.run([*command, str(PAGE)], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
