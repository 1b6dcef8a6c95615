"""What has to be the same for a run to go on with an import: where to, and every setting that changes what is sent.

Pure. Knows neither files nor which option a setting came from but by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import pbkdf2_hmac

from mpimport.auth import Auth
from mpimport.checkpoint import State
from mpimport.mapping_file import FIELDS
from mpimport.settings import Settings

_ROUNDS = 20_000  # a digest of a project secret or token is not worth guessing it for


def destination_of(auth: Auth, url: str, *, sandbox: bool) -> str:
    """Say where events go; it is the same in every run, whatever the port of a sandbox."""
    if sandbox:
        return "the sandbox"
    number = auth.params.get("project_id")
    return f"project {number} at {url}" if number else f"the {auth.kind}'s project at {url}"


def account_of(auth: Auth) -> str:
    """Tell projects apart that nothing but their secret or token names; empty where the project's number does."""
    if auth.params.get("project_id"):
        return ""
    secret = auth.authorization if auth.token is None else auth.token
    return pbkdf2_hmac("sha256", secret.encode(), b"mpimport checkpoint", _ROUNDS, 16).hex()


def lasting(settings: Settings) -> dict[str, str]:
    """Give the settings that change what is sent, by option, as JSON text; those that are as usual left out."""
    usual = _texts(Settings())
    return {option: text for option, text in _texts(settings).items() if text != usual[option]}


def _texts(settings: Settings) -> dict[str, str]:
    read, mapping = settings.read, settings.map
    values = {
        "--endpoint": settings.send.endpoint,
        "--format": read.format,
        "--json-path": read.json_path,
        "--delimiter": read.delimiter,
        "--encoding": read.encoding,
        "--misfit": read.misfit,
        "--event-name": mapping.event_name,
        **{f"--{option}": mapping.fields.get(target) for option, target in FIELDS.items()},
        "--insert-id-from": mapping.insert_id_from,
        "--time-format": mapping.time_format,
        "--timezone": mapping.timezone,
        "--rename": mapping.rename,
        "--drop": mapping.drop,
        "--keep": mapping.keep,
        "--set": mapping.set,
        "--type": mapping.types,
        "--long-strings": mapping.long_strings,
        "--drop-long": sorted(mapping.drop_long),
        "--split-urls": mapping.split_urls,
        "--parse-json": mapping.parse_json,
        "--deep": mapping.deep,
        "--geolocate": settings.batch.geolocate,
    }
    return {option: json.dumps(value, default=str, ensure_ascii=False) for option, value in values.items()}


def find_changes(old: State, new: State) -> Iterator[str]:
    """Name everything about two imports that is not the same, but for their sources."""
    if old.destination != new.destination:
        yield f"the destination is {new.destination}, and was {old.destination}"
    elif old.account != new.account:
        yield f"the project secret or token is another one than before, so the project may be ({new.destination})"
    for option in sorted({*old.settings, *new.settings}):
        before, now = (state.settings.get(option, "not given") for state in (old, new))
        if before != now:
            yield f"{option} is {now}, and was {before}"
