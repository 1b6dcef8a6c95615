"""Configuration files: what they may hold, which comes before which, and whose files are believed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from manual import MANUAL
from running import good_event, write_ndjson

from mpimport import cli, given
from mpimport.given import Given, bring_together
from mpimport.giving_way import GIVES_WAY, SECRETS
from mpimport.private_files import find_exposure
from mpimport.settings_given import settings_of

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes and owners of this kind")


@pytest.fixture
def user(own_user_folder: Path) -> Path:
    """Give the place of the user's own file."""
    from mpimport.config_file import user_file

    place = user_file()
    assert place.is_relative_to(own_user_folder)
    place.parent.mkdir(parents=True)
    return place


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    return tmp_path / "mpimport.toml"


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def gather(*arguments: str) -> tuple[Given, list[str]]:
    """Bring together what is given, and what is wrong with it."""
    problems: list[str] = []
    with cli.command.make_context("mpimport", list(arguments)) as context:
        return bring_together(context, problems), problems


def values(*arguments: str) -> dict[str, object]:
    found, problems = gather(*arguments)
    assert problems == []
    return {**found.values, **found.mapping}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson", "--dry-run", *arguments])
    return int(end.value.code or 0)


def test_each_place_comes_before_the_next(here: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def workers(*arguments: str) -> tuple[object, str]:
        found, _ = gather(*arguments)
        return found.values["workers"], found.origins.get("workers", "")

    assert workers() == (16, "")
    write(user, "workers = 1\n[profile.p]\nworkers = 3")
    assert workers() == (1, str(user))
    write(here, "workers = 2")
    assert workers() == (2, "mpimport.toml")
    assert workers("--profile", "p") == (3, f"{user}, profile p")
    write(here, "workers = 2\n[profile.p]\nworkers = 4")
    assert workers("--profile", "p") == (4, "mpimport.toml, profile p")
    monkeypatch.setenv("MPIMPORT_WORKERS", "5")
    assert workers("--profile", "p") == (5, "MPIMPORT_WORKERS")
    assert workers("--profile", "p", "--workers", "6") == (6, "command line")
    monkeypatch.delenv("MPIMPORT_WORKERS")
    assert workers("--config", str(user)) == (1, str(user))
    assert workers("--config", "none") == (16, "")


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows know every user's folder")
def test_a_user_without_a_home_has_no_file_and_is_told_where_a_checkpoint_can_be(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 54_321)  # as `docker run --user` does: nobody whom the system knows
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("MP_TOKEN", "t")
    assert run() == 0
    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson", "--url", "http://127.0.0.1:9"])
    assert end.value.code == 2
    assert "set XDG_STATE_HOME or HOME to an absolute path" in capsys.readouterr().err
    assert not here.with_name("~").exists()


def test_every_kind_of_value_arrives_as_an_option_would_give_it(here: Path) -> None:
    lines = (
        "project_id = 12345\nregion = 'eu'\nmax-rejected = 100\nbackoff-jitter = [1, 2.5]\ntimeout = 7\njson = true\n"
        "progress = false\nset = {a = 1}\ninsert-id-from = ['x', 'y']\nrename = {old = 'new'}\ndrop = ['p']"
    )
    write(here, lines)
    found = values("--set", "b=two", "--drop", "q")

    assert [found[name] for name in ("project_id", "region", "max_rejected")] == ["12345", "eu", "100"]
    assert [found[name] for name in ("backoff_jitter", "timeout")] == [(1.0, 2.5), 7.0]
    assert [found[name] for name in ("as_json", "progress")] == [True, False]
    assert [found[name] for name in ("set", "drop")] == [{"a": 1, "b": "two"}, ["q"]]
    assert [found[name] for name in ("insert-id-from", "rename")] == [["x", "y"], {"old": "new"}]


def test_one_text_stands_for_a_list_of_one_and_is_read_as_the_command_line_has_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        here,
        "report = 'one.html'\ndrop = 'p q'\nkeep = 'k'\ndrop-long = 'l'\ninsert-id-from = 'a,b'\nrename = 'old=new'\n"
        "set = ['n=1', 's=', 'e=a=b']\ntype = 'zip=string'",
    )
    found = values()
    assert found["report"] == ("one.html",)
    assert [found[name] for name in ("drop", "keep", "drop-long")] == [["p q"], ["k"], ["l"]]
    assert [found[name] for name in ("insert-id-from", "rename")] == [["a", "b"], {"old": "new"}]
    assert [found[name] for name in ("set", "type")] == [{"n": 1, "s": "", "e": "a=b"}, {"zip": "string"}]

    here.rename("m.toml")
    write(Path("m.toml"), "drop = 'p'\nset = 'n=1'")
    found = values("--mapping", "m.toml")
    assert (found["drop"], found["set"]) == (["p"], {"n": 1})

    monkeypatch.setenv("MPIMPORT_REPORT", "one.html two.json")
    monkeypatch.setenv("MPIMPORT_DROP", "Plan Name\nb\n")
    monkeypatch.setenv("MPIMPORT_SET", "n=2")
    found = values("--mapping", "m.toml")
    assert found["report"] == ("one.html", "two.json")
    assert (found["drop"], found["set"]) == (["Plan Name", "b"], {"n": 2})


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MPIMPORT_WORKERS", "99", "(--workers is from MPIMPORT_WORKERS)"),
        ("MPIMPORT_WORKERS", "many", "'--workers' (from MPIMPORT_WORKERS): 'many' is no whole number: write"),
        ("MPIMPORT_TIMEOUT", "30s", "(from MPIMPORT_TIMEOUT): '30s' is no number: write digits alone, such as 30"),
        ("MPIMPORT_SPLIT_URLS", "maybe", "'maybe' is neither true nor false: write true (or 1, yes, on) or"),
        ("MP_REGION", "us1", "'--region' (from MP_REGION): 'us1' is not one of"),
        ("MP_PROJECT_ID", "abc", "Project Settings, Overview (--project-id is from MP_PROJECT_ID)"),
        ("MPIMPORT_MAX_REJECTED", "few", "(--max-rejected is from MPIMPORT_MAX_REJECTED)"),
        ("MPIMPORT_TIMEZONE", "Mars", "(--timezone is from MPIMPORT_TIMEZONE)"),
        ("MPIMPORT_RENAME", "old", "(--rename is from MPIMPORT_RENAME)"),
        ("MPIMPORT_MAPPING", "gone.toml", "(--mapping is from MPIMPORT_MAPPING)"),
    ],
)
def test_a_wrong_value_of_the_environment_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)

    assert run() == 2
    assert words in capsys.readouterr().err


def test_a_wrong_value_of_the_command_line_is_told_without_a_variable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--workers", "many") == 2
    told = capsys.readouterr().err
    assert "Invalid value for '--workers': 'many'" in told
    assert "MPIMPORT" not in told


@posix
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("pipe", "is a pipe; name a file, or remove it from there"),
        ("folder", "is a folder; name a file"),
        ("device", "is no regular file"),
        ("large", "is larger than 1,000,000 bytes; is it the right file?"),
        ("latin-1", "is not UTF-8 text at byte 6; save it as UTF-8"),
        ("UTF-16", "is UTF-16 text at byte 1; save it as UTF-8"),
        ("gone", "cannot be read: No such file or directory; "),
    ],
)
@pytest.mark.parametrize("option", [None, "--config", "--mapping"])
def test_what_is_no_configuration_is_told_at_once(here: Path, kind: str, words: str, option: str | None) -> None:
    place = here if option is None else here.with_name("m.toml")
    lay_out: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(place, 0o600),
        "folder": lambda: place.mkdir(0o700),
        "device": lambda: place.symlink_to("/dev/zero"),
        "large": lambda: write(place, "#" * 1_000_001),
        "latin-1": lambda: place.write_bytes(b"a = '\xe4'"),
        "UTF-16": lambda: place.write_bytes("a = 1".encode("utf-16")),
        "gone": lambda: place.symlink_to("nowhere"),
    }
    lay_out[kind]()
    if kind == "device" and option is None:
        words = "everybody may write to it"
    _, problems = gather(*([] if option is None else [option, "m.toml"]))

    assert len(problems) == 1
    assert words in problems[0]


@posix
def test_a_configuration_may_come_from_a_command_as_shells_put_it_into_an_argument(here: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"workers = 3")
    os.close(writer)
    assert values("--config", f"/dev/fd/{reader}")["workers"] == 3
    os.close(reader)


def test_a_mapping_file_comes_right_after_the_place_that_names_it(here: Path, user: Path) -> None:
    write(user.parent / "m.toml", "timezone = 'Asia/Tokyo'\nset = {a = 'mapping', b = 'mapping'}")
    write(user, "timezone = 'Europe/Oslo'\nmapping = 'm.toml'\nset = {a = 'user'}")
    assert values()["timezone"] == "Europe/Oslo", "it stands beside the name"
    assert values()["set"] == {"a": "user", "b": "mapping"}
    assert values("--mapping", "")["set"] == {"a": "user"}
    write(here, "timezone = 'Europe/Rome'")
    assert values("--mapping", str(user.parent / "m.toml"))["timezone"] == "Asia/Tokyo", "named on the command line"
    assert values("--mapping", str(user.parent / "m.toml"), "--timezone", "UTC")["timezone"] == "UTC"


def test_files_that_are_read_are_beside_the_file_and_others_where_the_run_is(user: Path) -> None:
    write(
        user,
        "secret-file = 'secret'\nca-bundle = '~/ca.pem'\nrejected = 'r.ndjson'\njson-path = '~/a'\n"
        "report = ['~/a.html', 'b.json']\nmetrics = '~/m.prom'",
    )
    (user.parent / "secret").write_text("s")
    found = values()

    assert found["secret_file"] == str(user.parent / "secret")
    assert found["ca_bundle"] == str(Path("~/ca.pem").expanduser())
    assert (found["rejected"], found["json_path"]) == ("r.ndjson", "~/a")
    assert found["report"] == (str(Path("~/a.html").expanduser()), "b.json")
    assert found["metrics"] == str(Path("~/m.prom").expanduser())


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("workres = 1", (), "unknown key 'workres'; did you mean 'workers'?"),
        ("zzz = 1", (), "unknown key 'zzz'; mpimport --help shows the options"),
        ("config = 'x'", (), "unknown key 'config'"),
        ("workers = '4'", (), "workers: must be a whole number"),
        ("workers = true", (), "workers: must be a whole number"),
        ('secret-file = "a\\u0000b"', (), "secret-file: must be a text"),
        ("timeout = 'x'", (), "timeout: must be a number"),
        ("backoff-jitter = 1", (), "backoff-jitter: must be a list of two numbers"),
        ("project-id = 1.5", (), "project-id: must be a text or a whole number"),
        ("dry-run = 'yes'", (), "dry-run: must be true or false"),
        ("region = 'us1'", (), "region: must be one of us, eu, in; did you mean 'us'?"),
        ("format = 'jsonl'", (), "did you mean 'ndjson'?"),
        ("drop = 1", (), "drop: must be a text or a list of texts"),
        ("drop = ['x', '']", (), "drop: must be a text or a list of texts"),
        ("rename = 'old'", (), "rename: must be a table of texts"),
        ("rename = ['old=']", (), "rename: must be a table of texts"),
        ("set = '=x'", (), "set: must be a table, such as"),
        ("no_gzip = true\nno-gzip = true", (), "no-gzip: stands there twice"),
        ("[prod]\nworkers = 1", (), "unknown table [prod]; a profile is written [profile.prod]"),
        ("[profiles.prod]\nworkers = 1", (), "did you mean 'profile'?"),
        ("profile = 'prod'", (), "profile: name the tables of profiles, such as [profile.prod]"),
        ("[profile.other]\nworkers = ''", (), "profile other: workers: must be a whole number"),
        ("workers = 1\nregion = eu\n", (), "is no TOML: Invalid value (at line 2, column 10)"),
        ("a = " + "[" * 5000, (), "is no TOML"),
        ("[profile.a]\n[profile.b]", ("--profile", "c"), "--profile c: there is no such profile; there are a, b"),
        ("", ("--profile", "c"), "--profile c: there is no profile in mpimport.toml"),
        ("", ("--config", "gone.toml"), "gone.toml: cannot be read: No such file or directory; check the path"),
        ("", ("--config", "none", "--profile", "c"), "--profile c: there is no configuration file"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(here: Path, text: str, arguments: tuple[str, ...], words: str) -> None:
    write(here, text)
    _, problems = gather(*arguments)

    assert len(problems) == 1
    assert words in problems[0]
    assert problems[0].startswith(("mpimport.toml: ", "--profile c: ", "gone.toml: "))


@pytest.mark.parametrize("name", ["secret", "api-secret", "api_secret", "MP_SECRET", "password"])
def test_a_secret_does_not_stand_in_a_file_and_is_not_repeated(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write(here, f"[profile.p]\n{name} = 'hunter2'")

    assert run() == 2
    told = capsys.readouterr().err
    assert "a configuration file holds no secret; put it alone into a file and write " in told
    assert "hunter2" not in told


def test_all_problems_are_told_together_and_say_which_file_it_was(
    here: Path, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "workers = 99\n[profile.p]\nbatch-size = 9999\n[profile.q]")
    write(user, "wrong = 1")

    assert run("--profile", "p", "--timeout", "0") == 2
    told = capsys.readouterr().err
    for words in (
        f"{user}: unknown key 'wrong'",
        "mpimport.toml: workers 99: 1 to 64 requests at once\n",
        "mpimport.toml: profile p: batch-size 9999: the import endpoint takes 1 to 2,000 events a request\n",
        "--timeout 0: more than 0 seconds, and at most a day\n",
    ):
        assert words in told


def test_every_value_of_every_profile_is_checked_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {
        "region": ("'mars'", "region: must be one of us, eu, in"),
        "log-format": ("'yaml'", "log-format: must be one of text, json"),
        "workers": ("900", "workers 900: 1 to 64 requests at once"),
        "gzip-level": ("12", "gzip-level 12: 1 is the quickest, 9 the smallest"),
        "timezone": ("'N/X'", "timezone: time zone 'N/X' is unknown"),
        "time-format": ("'%Q'", "time-format: time format '%Q'"),
        "url": ("'ftp://x'", "url: 'ftp://x' is no web address"),
        "encoding": ("'none-such'", "encoding none-such: no such encoding"),
        "delimiter": ("';;'", "delimiter ';;': must be one character"),
        "max-rejected": ("'few'", "max-rejected: 'few' is neither"),
        "report": ("'r.txt'", "report r.txt: its ending says what is written"),
        "type": ("{ a = 'numbr' }", "type: a=numbr: the kinds are"),
    }
    lines = "\n".join(f"{name} = {value}" for name, (value, _) in wrong.items())
    write(here, f"username = 'me'\n{lines}\n[profile.x]\n{lines}")

    assert run() == 2
    told = capsys.readouterr().err
    for _, words in wrong.values():
        assert f"mpimport.toml: {words}" in told
        assert f"mpimport.toml: profile x: {words}" in told
    assert "no credentials" not in told


def test_all_that_is_wrong_with_one_key_is_told(here: Path) -> None:
    write(here, "[profile.x]\nset = { event = 'a', properties = 1 }")

    assert [problem.partition(": ")[2] for problem in gather()[1]] == [
        "profile x: set event: the event's name is set by --event-name",
        "profile x: set properties: that is a part of every event, and no property",
    ]


def test_what_one_run_may_have_is_no_error_of_a_profile_that_is_not_chosen(here: Path) -> None:
    write(
        here,
        "[profile.a]\ncontent-type = 'form'\nbackoff-max = 1\nbatch-size = 2000\ngzip-level = 3\nno-strict = true\n"
        "audit = 'a.json'\nmetrics = 'm.prom'\nca-bundle = 'of/another/machine.pem'\nurl = 'https://api.mixpanel.com'\n"
        "region = 'eu'\nproject-id = 'x12'\nsecret-file = 'gone'\nmapping = 'gone.toml'",
    )

    assert gather("--endpoint", "track", "--region", "us")[1] == []
    assert gather("--dry-run", "--workers", "900")[1] == []


@pytest.mark.parametrize(
    ("content", "variables", "words"),
    [
        ("sandbox = true\nurl = 'http://127.0.0.1:1'", {}, "out (--sandbox and --url are from mpimport.toml)\n"),
        (
            "",
            {"MPIMPORT_SANDBOX": "1", "MP_URL": "http://127.0.0.1:1"},
            "out (--sandbox is from MPIMPORT_SANDBOX, --url is from MP_URL)\n",
        ),
        ("proxy = 'http://me:hunter2@x.example'", {}, "mpimport.toml: proxy: others can read a command line"),
    ],
)
def test_where_options_are_from_is_told_once(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
    variables: dict[str, str],
    words: str,
) -> None:
    write(here, content)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson"])

    told = capsys.readouterr().err
    assert end.value.code == 2
    assert words in told
    assert "hunter2" not in told


def test_what_excludes_an_option_of_the_command_line_gives_way(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        here,
        "url = 'https://x.example'\ncheckpoint = 'c'\ntoken-file = 't'\nsecret-file = 's'\n[profile.eu]\nregion = 'eu'",
    )
    monkeypatch.setenv("MP_SECRET", "hunter2")
    found, problems = gather("--sandbox", "--no-checkpoint", "--token", "x")
    assert problems == []
    assert [found.values[name] for name in ("url", "checkpoint", "token_file", "secret_file")] == [None] * 4
    told = list(found.told())
    assert "--url of mpimport.toml gives way to --sandbox" in told
    assert "--secret-file of mpimport.toml gives way to MP_SECRET" in told
    assert values()["url"] == "https://x.example"
    assert values("--profile", "eu")["url"] is None
    assert gather("--profile", "eu", "--url", "https://y.example")[0].origins.get("region") is None
    write(here, "username = 'me'\nproject-id = 1\n[profile.t]\ntoken-file = 't'")
    assert values("--token", "x")["username"] is None, "else the events would go to another project"
    assert values("--profile", "t")["username"] is None
    assert values()["username"] == "me"


def test_every_name_that_gives_way_is_an_option() -> None:
    names = {given.option_name(it) for it in cli.command.params if isinstance(it, click.Option)}
    rivals = {name for row in GIVES_WAY.values() for name in row}

    assert {*GIVES_WAY, *rivals} <= names | SECRETS.keys()


@pytest.mark.parametrize("place", ["file", "environment"])
@pytest.mark.parametrize(
    ("set_there", "arguments", "parameter", "told"),
    [
        ({"metrics": "m.prom"}, ["--dry-run"], "metrics", "--metrics of {} gives way to --dry-run"),
        ({"audit": "a.json"}, ["--sandbox"], "audit", "--audit of {} is left out: this is no dry run"),
        ({"sandbox": "true"}, ["--dry-run"], "sandbox", "--sandbox of {} gives way to --dry-run"),
        ({"url": "http://x.example"}, ["--sandbox"], "url", "--url of {} gives way to --sandbox"),
        ({"token": "t"}, ["--token-file", "f"], "token", "--token of {} gives way to --token-file"),
        ({"username": "u"}, ["--token", "t"], "username", "--username of {} gives way to --token"),
        ({"quiet": "true"}, ["-v"], "quiet", "--quiet of {} gives way to --verbose"),
        ({"event-field": "f"}, ["--event-name", "n"], "event-field", "--event-field of {} gives way to --event-name"),
        ({"batch-size": "2000"}, ["--endpoint", "track"], "batch_size", "--batch-size of {} gives way to --endpoint "),
        ({"no-strict": "true"}, ["--endpoint", "track"], "no_strict", "--no-strict of {} gives way to --endpoint "),
        ({"gzip-level": "6"}, ["--endpoint", "track"], "gzip_level", "--gzip-level of {} gives way to --endpoint "),
        ({"content-type": "form"}, ["--endpoint", "import"], "content_type", "--content-type of {} gives way to "),
    ],
)
def test_what_is_only_set_gives_way_to_what_is_asked_for(
    here: Path, monkeypatch: pytest.MonkeyPatch, place: str, set_there: dict[str, str], arguments: list[str],
    parameter: str, told: str,
) -> None:  # fmt: skip
    ((name, value),) = set_there.items()
    origin = "mpimport.toml" if place == "file" else f"MPIMPORT_{name.upper().replace('-', '_')}"
    if place == "file":
        write(here, f"{name} = {value if value == 'true' or value.isdecimal() else repr(value)}")
    else:
        monkeypatch.setenv(origin, value)
    found, problems = gather(*arguments)

    assert problems == []
    assert not {**found.values, **found.mapping}.get(parameter)
    assert any(line.startswith(told.format(origin)) for line in found.told())


def test_a_clash_on_the_command_line_stays_an_error_and_metrics_send_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--metrics", "m.prom") == 2
    monkeypatch.setenv("MPIMPORT_DRY_RUN", "1")
    write(here, "metrics = 'm.prom'")
    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson"])
    assert end.value.code == 0
    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson", "--metrics", "m.prom"])
    assert end.value.code == 2
    assert "(--dry-run is from MPIMPORT_DRY_RUN)" in capsys.readouterr().err
    assert not Path("m.prom").exists()


def test_a_stand_in_named_by_the_environment_stays_whatever_region_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MP_URL", "http://127.0.0.1:8080")
    assert values("--region", "eu")["url"] == "http://127.0.0.1:8080"
    monkeypatch.setenv("MP_URL", "https://api.mixpanel.com")
    assert values("--region", "eu")["url"] is None


def test_a_secret_of_the_environment_gives_way_to_credentials_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MP_SECRET", "s")
    monkeypatch.setenv("MP_API_SECRET", "a")
    found, _ = gather("--token", "t")
    assert settings_of(found, []).credentials.kind == "project token"
    assert settings_of(gather()[0], []).credentials.secret


@pytest.mark.parametrize(
    ("variable", "code", "words"),
    [
        ("MPIMPORT_DRYRUN", 2, "; did you mean MPIMPORT_DRY_RUN?"),
        ("mpimport_dry_run", 2, "did you mean MPIMPORT_DRY_RUN?"),
        ("MPIMPORT_NO_PROGRESS", 2, "did you mean MPIMPORT_PROGRESS?"),
        ("MPIMPORT_SECRET", 2, "; set MP_SECRET for a secret"),
        ("MPIMPORT_API_SECRET", 2, "; set MP_API_SECRET for a secret"),
        ("MPIMPORT_DATA_FOLDER", 0, "; mpimport --help shows those that are"),
        ("MPIMPORT_SERVICE_HOST", 0, ""),
        ("MPIMPORT_SANDBOX_PORT_8080_TCP_ADDR", 0, ""),
        ("MPIMPORT_PORT", 0, ""),
        ("_MPIMPORT_COMPLETED", 0, ""),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no small letters in names of variables")
def test_a_variable_that_no_option_is_read_from_is_told_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, code: int, words: str
) -> None:
    monkeypatch.setenv(variable, "hunter2")

    assert run() == code
    told = capsys.readouterr().err
    assert (f"{variable}: no option is read from this variable" in told) is bool(words)
    assert words in told
    assert "hunter2" not in told


def test_verbose_tells_where_each_value_is_from_and_no_token(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "project-id = 12345\ntoken = 'hunter2'\n[profile.prod]\nset = {source = 'x'}")
    monkeypatch.setenv("MP_SECRET", "hunter2")
    monkeypatch.setenv("MP_REGION", "eu")

    assert run("--profile", "prod", "-v", "--set", "run=1") == 0
    told = capsys.readouterr().err
    for words in (
        "--project-id 12345 (mpimport.toml)",
        "--token *** (mpimport.toml)",
        '--set {"source": "x", "run": 1} (mpimport.toml, profile prod; command line)',
        "--region eu (MP_REGION)",
        "--dry-run (command line)",
        "MP_SECRET *** (environment)",
    ):
        assert words in told
    assert "hunter2" not in told
    assert "--workers" not in told


def test_a_flag_of_a_file_is_switched_off_by_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here, "sandbox = true\nsplit-urls = true")
    monkeypatch.setenv("MPIMPORT_SANDBOX", "0")
    monkeypatch.setenv("MPIMPORT_SPLIT_URLS", "false")

    assert values()["sandbox"] is False
    assert values()["split-urls"] is False


@posix
def test_a_file_of_somebody_else_is_refused_unless_it_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "url = 'https://evil.example'")
    owner = here.stat().st_uid
    if owner == 0:
        owner = 4711
        os.chown(here, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    assert run() == 2
    told = capsys.readouterr().err
    assert f"mpimport.toml: it belongs to another user (number {owner})" in told
    assert "--config mpimport.toml" in told
    assert values("--config", "mpimport.toml")["url"] == "https://evil.example"
    assert values("--config", "none")["url"] is None


@posix
def test_a_file_that_everybody_may_write_to_is_refused(here: Path) -> None:
    write(here, "workers = 1", 0o666)
    _, problems = gather()

    assert "everybody may write to it; chmod o-w mpimport.toml" in problems[0]


@posix
def test_a_secret_that_others_can_read_is_warned_of(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, "[profile.p]\ntoken = 'x'", 0o644)
    write(Path("secret"), "s", 0o640)
    words = "other users of this machine can read the secret or token in it; chmod 600"
    for option in ("--secret-file", "--api-secret-file", "--token-file"):
        assert run(option, "secret") == 0
        told = capsys.readouterr().err
        assert f"mpimport.toml: {words} mpimport.toml" in told
        assert f"secret: {words} secret" in told

    write(here, "workers = 1", 0o644)
    with Path("secret").open() as file:
        assert run("--secret-file", f"/dev/fd/{file.fileno()}") == 0
    Path("secret").chmod(0o600)
    assert run("--secret-file", "secret") == 0
    Path("secret").chmod(0o644)
    monkeypatch.setattr(os, "statvfs", lambda _: type("Mount", (), {"f_flag": os.ST_RDONLY}))
    assert run("--secret-file", "secret") == 0
    assert words not in capsys.readouterr().err


@posix
def test_a_secret_of_root_that_our_group_can_read_is_as_its_owner_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "secret", "s", 0o440)  # as in a pod with fsGroup
    assert find_exposure(tmp_path / "secret")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert find_exposure(tmp_path / "secret") is None


@pytest.mark.parametrize("name", ["mpimport.toml", "m.toml", "secret"])
def test_no_file_that_says_how_to_run_is_written_to(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    write(here, "mapping = 'm.toml'\nsecret-file = 'secret'")
    write(Path("m.toml"), "drop = ['x']")
    write(Path("secret"), "s")

    assert run("--rejected", name) == 2
    assert f"--rejected {name}: is a file of settings (" in capsys.readouterr().err


def test_the_example_of_the_readme_is_one(here: Path) -> None:
    _, _, section = MANUAL.partition("\n### Configuration\n")
    example = re.findall(r"^```toml\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)[0]
    write(here, example)
    found = values("--profile", "eu")

    assert (found["project_id"], found["region"], found["drop"]) == ("67890", "eu", ["debug"])


@pytest.mark.parametrize(
    ("text", "mode", "arguments", "words"),
    [
        ("username = 'u'\nbad key\n", 0o600, (), "mpimport.toml: is no TOML"),
        pytest.param("username = 'u'\n", 0o666, (), "mpimport.toml: ", marks=posix),
        ("username = 'u'\n", 0o600, ("--profile", "prod"), "--profile prod: there is no profile"),
        ("workers = 'many'\n", 0o600, ("--project-id", "1", "--username", "u"), "mpimport.toml: workers"),
        ("workers = 'many'\n", 0o600, ("--endpoint", "track"), "mpimport.toml: workers"),
    ],
)
def test_what_an_unread_file_may_hold_is_not_said_to_be_missing(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, mode: int, arguments: tuple[str, ...], words: str
) -> None:
    write(here, text, mode)

    with pytest.raises(SystemExit) as code:
        cli.main(["e.ndjson", *arguments])
    assert code.value.code == 2
    cause, end = capsys.readouterr().err.splitlines()
    assert words in cause
    assert end == "Nothing was sent."
