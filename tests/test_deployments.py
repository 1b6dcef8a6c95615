"""The examples for systemd, Kubernetes and GitHub Actions: they are well formed, and what they run imports."""

from __future__ import annotations

import gzip
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
CRON_JOB: dict[str, Any] = list(yaml.safe_load_all((EXAMPLES / "kubernetes" / "cronjob.yaml").read_text()))[1]
WORKFLOW: dict[str, Any] = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
TO_BE_RETRIED = {5, 7, 130, 143}
NOT_TO_BE_RETRIED = {1, 2, 3, 4, 6, 70}
ACCOUNT = SandboxConfig(
    username=CREDENTIALS["MP_USERNAME"], secret=CREDENTIALS["MP_SECRET"], project_id=CREDENTIALS["MP_PROJECT_ID"]
)
DAY = "2025-03-14"
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")


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
    (folder / "events" / f"{DAY}.ndjson.gz").write_bytes(gzip.compress(ndjson([good_event(1), good_event(2)])))
    (folder / "secrets" / "mixpanel").write_text(CREDENTIALS["MP_SECRET"] + "\n")
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


@needs_bash
def test_what_the_service_runs_imports(tmp_path: Path) -> None:
    quoted = service("ExecStart").removeprefix("/bin/sh -c '").removesuffix("'")
    script = replaced(quoted, {"$$": "$", "%%": "%", "/var/spool/events": tmp_path / "events"})
    folders = {"CREDENTIALS_DIRECTORY": str(tmp_path / "secrets"), "STATE_DIRECTORY": str(tmp_path / "state")}

    assert imports(script, tmp_path, "sh", **folders).returncode == 0


@needs_bash
def test_what_the_cron_job_runs_imports(tmp_path: Path) -> None:
    shell, option, script = pod()["containers"][0]["command"]
    places = {"/events/": f"{tmp_path}/events/", "/state/": f"{tmp_path}/state/", "/secrets/mixpanel/secret": "S"}
    script = replaced(script, places).replace(" S ", f" {tmp_path}/secrets/mixpanel ")

    assert (shell, option) == ("/bin/sh", "-c")
    assert imports(script, tmp_path, "sh").returncode == 0


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


def test_exit_codes_that_no_other_try_can_mend_are_told_apart() -> None:
    policy = CRON_JOB["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    failing = next(rule for rule in policy if rule["action"] == "FailJob")["onExitCodes"]
    prevented = {int(code) for code in service("RestartPreventExitStatus").split()}

    assert set(failing["values"]) == prevented == NOT_TO_BE_RETRIED
    assert not prevented & TO_BE_RETRIED
    assert (service("Restart"), pod()["restartPolicy"]) == ("on-failure", "Never")
    assert failing["containerName"] == pod()["containers"][0]["name"]


def test_secrets_are_files_and_checkpoints_outlast_the_run() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in pod()["containers"][0]["volumeMounts"]}

    assert service("LoadCredential") == "mixpanel:/etc/mpimport/secret"
    assert service("Environment") == f"XDG_STATE_HOME=/var/lib/{service('StateDirectory')}"
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
