"""The examples for systemd, Kubernetes and GitHub Actions: they are well formed, and what they run imports."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import CREDENTIALS, environment, good_event, ndjson

from mpimport.sandbox import Sandbox, SandboxConfig

EXAMPLES = Path(__file__).parents[1] / "examples"
SERVICE = (EXAMPLES / "systemd" / "mpimport.service").read_text(encoding="utf-8")
TIMER = (EXAMPLES / "systemd" / "mpimport.timer").read_text(encoding="utf-8")
CRON_JOB: dict[str, Any] = list(yaml.safe_load_all((EXAMPLES / "kubernetes" / "cronjob.yaml").read_text()))[1]
WORKFLOW: dict[str, Any] = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
ACCOUNT = SandboxConfig(
    username=CREDENTIALS["MP_USERNAME"], secret=CREDENTIALS["MP_SECRET"], project_id=CREDENTIALS["MP_PROJECT_ID"]
)
DAY = "2025-03-14"
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
needs_flock = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("flock")), reason="bash or flock is not installed"
)


def service(name: str) -> str:
    """Give a setting of the service, its lines joined."""
    found = re.search(rf"^{name}=(.*)$", re.sub(r"\\\n\s*", "", SERVICE), re.MULTILINE)
    assert found, name
    return found[1]


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def imports(script: str, folder: Path, shell: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script of an example, with our command on the PATH, in a folder with a file of events and the secret."""
    for name in ("bin", "events", "state", "secrets"):
        (folder / name).mkdir(exist_ok=True)
    program = folder / "bin" / "mpimport"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mpimport "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    file, secret = folder / "events" / f"{DAY}.ndjson.gz", folder / "secrets" / "mixpanel"
    file.write_bytes(gzip.compress(ndjson([good_event(1), good_event(2)])))
    os.utime(file, (1_742_000_000,) * 2)  # none that is still being written
    secret.write_text(CREDENTIALS["MP_SECRET"] + "\n")
    secret.chmod(0o600)
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    known = {name: value for name, value in CREDENTIALS.items() if name != "MP_SECRET"}
    env = {**known, "PATH": path, "DAY": DAY, "XDG_STATE_HOME": str(folder / "state"), **more}
    with Sandbox(ACCOUNT) as sandbox:
        done = subprocess.run(
            [shell, "-ec" if shell == "bash" else "-c", script],
            cwd=folder,
            env=environment({**env, "MP_URL": sandbox.url}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert sandbox.stats()["stored"] == 2, done.stderr
    assert (folder / "state" / f"{DAY}.html").exists()
    assert CREDENTIALS["MP_SECRET"] not in done.stderr
    return done


def replaced(text: str, words: Mapping[str, object]) -> str:
    for word, other in words.items():
        assert word in text
        text = text.replace(word, str(other))
    return text


@needs_flock
def test_what_the_service_runs_imports(tmp_path: Path) -> None:
    quoted = service("ExecStart").removeprefix("/bin/sh -c '").removesuffix("'")
    script = replaced(quoted, {"$$": "$", "/usr/local/lib/mpimport/cron.sh": EXAMPLES / "cron.sh"})
    given = dict(line.split("=") for line in re.findall("^Environment=(.*)$", SERVICE, re.MULTILINE))
    places = {"/var/lib/mpimport": str(tmp_path / "state"), "/var/spool/events": str(tmp_path / "events")}
    env = {name: places[place] for name, place in given.items()}

    assert f"install -D -m 755 ../cron.sh {service('ExecStart').split()[-1].rstrip(chr(39))}" in SERVICE
    assert imports(script, tmp_path, "sh", CREDENTIALS_DIRECTORY=str(tmp_path / "secrets"), **env).returncode == 0
    assert (tmp_path / "state" / "done" / DAY).exists()


@needs_flock
def test_what_the_cron_job_runs_imports(tmp_path: Path) -> None:
    shell, script = pod()["containers"][0]["command"]
    given = {one["name"]: one["value"] for one in pod()["containers"][0]["env"]}
    folders = {"/state": "state", "/events": "events", "/secrets/mixpanel/secret": "secrets/mixpanel"}
    env = {name: str(tmp_path / folders[place]) for name, place in given.items()}

    assert (shell, script) == ("/bin/bash", "/script/cron.sh")
    assert "--from-file=../cron.sh" in (EXAMPLES / "kubernetes" / "cronjob.yaml").read_text()
    assert imports(f"exec bash {EXAMPLES / 'cron.sh'}", tmp_path, "sh", **env).returncode == 0
    assert (tmp_path / "state" / "done" / DAY).exists()


@needs_bash
def test_what_the_workflow_runs_imports(tmp_path: Path) -> None:
    script = next(step["run"] for step in WORKFLOW["jobs"]["import"]["steps"] if step.get("name") == "Import")
    done = imports(script, tmp_path, "bash", SECRET=CREDENTIALS["MP_SECRET"], RUNNER_TEMP=str(tmp_path))

    assert done.returncode == 0
    assert not (tmp_path / "secret").exists()


@needs_bash
@pytest.mark.parametrize(("code", "calls"), [(0, 1), (1, 1), (4, 1), (5, 3)])
def test_the_workflow_tries_again_only_what_another_try_can_mend(code: int, calls: int, tmp_path: Path) -> None:
    script = next(step["run"] for step in WORKFLOW["jobs"]["import"]["steps"] if step.get("name") == "Import")
    functions = f"mpimport() {{ echo call >>calls; return {code}; }}; sleep() {{ :; }}\n"
    env = environment({"SECRET": "s", "RUNNER_TEMP": str(tmp_path), "DAY": DAY})
    done = subprocess.run(["bash", "-ec", functions + script], cwd=tmp_path, env=env, timeout=60, check=False)

    assert done.returncode == code
    assert (tmp_path / "calls").read_text().count("call") == calls


def test_the_next_run_is_the_other_try() -> None:
    job = CRON_JOB["spec"]["jobTemplate"]["spec"]

    assert (job["backoffLimit"], pod()["restartPolicy"]) == (0, "Never")
    assert "Restart=" not in SERVICE
    assert "OnCalendar=*-*-* 06..12:17:00 UTC" in TIMER
    assert CRON_JOB["spec"]["schedule"] == "17 6-12 * * *"


def test_the_service_is_asked_to_stop_by_one_signal() -> None:
    assert service("KillMode") == "mixed"  # the script hands it on, and a second one ends mpimport at once


@needs_flock
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_secret_that_root_hands_over_to_our_group_is_taken(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o440)
    settings = {
        "EVENTS_DIR": str(tmp_path),
        "SECRET_FILE": str(secret),
        "STATE_DIR": str(tmp_path / "state"),
        "DAY": DAY,
    }
    (tmp_path / "mpimport").write_text("#!/bin/sh\n")
    (tmp_path / "mpimport").chmod(0o755)
    env = environment({**CREDENTIALS, **settings, "PATH": f"{tmp_path}:/usr/bin:/bin"})
    ended = []
    for owner in (os.geteuid(), 4242):
        os.chown(secret, owner, -1)
        ended.append(subprocess.run(["bash", EXAMPLES / "cron.sh"], env=env, timeout=60, check=False).returncode)

    assert ended == [2, 66]  # the day has no file


def test_secrets_are_files_and_checkpoints_outlast_the_run() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in pod()["containers"][0]["volumeMounts"]}

    assert service("LoadCredential") == "mixpanel:/etc/mpimport/secret"
    assert f"\nEnvironment=XDG_STATE_HOME=/var/lib/{service('StateDirectory')}\n" in SERVICE
    assert "secret" in mounts["/secrets/mixpanel"]
    assert "persistentVolumeClaim" in mounts["/state"]
    assert CRON_JOB["spec"]["concurrencyPolicy"] == "Forbid"
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is False


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units() -> None:
    units = [EXAMPLES / "systemd" / f"mpimport.{kind}" for kind in ("service", "timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
