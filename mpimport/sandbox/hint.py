"""The command that imports into a sandbox as it was set up: for people to copy. No secret's value is in it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from mpimport.sandbox.config import SandboxConfig

SECRETS = {"secret": "MP_SECRET", "api_secret": "MP_API_SECRET", "token": "MP_TOKEN"}


def word(url: str, config: SandboxConfig, files: Mapping[str, Path | None]) -> str:
    """Give the command; `files` are those that secrets were read from, the others are in the environment."""
    kind = _find_kind(config)
    command = ["mpimport", "events.ndjson", "--url", url]
    if kind == "secret":
        command += ["--project-id", config.project_id or "1", "--username", config.username or "any"]
    if file := files.get(kind):
        return shlex.join([*command, f"--{kind.replace('_', '-')}-file", str(file)])
    if getattr(config, kind):
        return f"{shlex.join(command)} (with {SECRETS[kind]} as it is set for this sandbox)"
    return f"{SECRETS[kind]}=any {shlex.join(command)}"


def _find_kind(config: SandboxConfig) -> str:
    """Choose one of the kinds of secrets that are let in; a service account's where it may be any."""
    if config.username is not None or config.secret is not None:
        return "secret"
    return next((kind for kind in ("api_secret", "token") if getattr(config, kind) is not None), "secret")
