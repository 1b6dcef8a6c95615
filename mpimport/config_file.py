"""Configuration files: which there are, whether they may be trusted, and what they say, in layers; no merging.

Must not know click, or what an option does: it is told what each may be. Every file that is found is checked as a
whole, also the profiles that nobody asked for. A secret never stands in one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from mpimport import toml_options
from mpimport.errors import UsageProblem
from mpimport.private_files import find_exposure, find_meddler
from mpimport.toml_options import Check

NAME = "mpimport.toml"
READ_FILES = frozenset({"secret-file", "api-secret-file", "token-file", "ca-bundle", "mapping"})
"""Options whose files are looked for beside the configuration file; what is written goes where the run is."""
_SECRET = re.compile(r"(secret|password|passwd|passphrase)(-key|-value)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """What an option may be in a file: its check, and whether it is a path."""

    check: Check
    path: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file may hold: its keys, and what gives the words, by key, for values that passed their checks in vain."""

    keys: Mapping[str, Key]
    judge: Callable[[Mapping[str, Any]], Mapping[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place gives, by option, what that place is called, and its file if it is one."""

    origin: str
    entries: Mapping[str, Any]
    file: str | None = None


@dataclass(frozen=True, slots=True)
class _Document:
    name: str
    top: Mapping[str, Any]
    profiles: Mapping[str, Mapping[str, Any]]


def user_file() -> Path:
    """Give the place of the user's own configuration file."""
    from platformdirs import user_config_path  # noqa: PLC0415  not needed for --help

    return user_config_path("mpimport", appauthor=False) / "config.toml"


def read_config(
    named: str | None, profile: str | None, rules: Rules, problems: list[str], notes: list[str]
) -> list[Layer]:
    """Give what the files say, the layer that comes last first; `named` is a file instead of the usual, or `none`.

    A profile comes before what stands at the top; of each, the working directory's file before the user's.
    """
    for option, given in (("--config", named), ("--profile", profile)):
        if given == "":
            problems.append(
                f"{option}: its value is empty; is a variable of the shell not set? Leave it out, or name one"
            )
            return []
    places = _places(named)
    documents: list[_Document] = []
    before = len(problems)
    for place in places:
        if named is not None or _is_there(place):
            documents += _read(place, rules, problems, notes, trusted=named is not None)
    if profile is not None and len(problems) == before and not any(profile in it.profiles for it in documents):
        problems.append(f"--profile {profile}: {_unknown_profile(documents, places)}")
    tops = [Layer(document.name, document.top, document.name) for document in documents]
    chosen = [(it.name, it.profiles[profile]) for it in documents if profile is not None and profile in it.profiles]
    return tops + [Layer(f"{name}, profile {profile}", entries, name) for name, entries in chosen]


def profile_names(named: str | None) -> list[str]:
    """Give the names of the profiles that there are, for a shell: none of a file that is wrong or somebody else's."""
    names: set[str] = set()
    for place in _places(named):
        with suppress(OSError, UsageProblem):
            if named is None:
                _check_trust(place)
            profiles = toml_options.read_toml(place).get("profile", {})
            names.update(profiles if isinstance(profiles, dict) else ())
    return sorted(name for name in names if re.fullmatch(r"[\w.-]+", name))


def _places(named: str | None) -> tuple[Path, ...]:
    if named is None:
        return *_users_own(), Path(NAME)
    return () if named == "none" else (Path(named),)


def _users_own() -> tuple[Path, ...]:
    try:
        place = user_file()
    except RuntimeError:  # a user without a home, as in containers: there is no file of theirs
        return ()
    return (place,) if place.is_absolute() else ()  # older platformdirs give ~ back as it is


def _is_there(place: Path) -> bool:
    try:
        place.lstat()
    except OSError:  # also a folder of the user's that this process may not look into
        return False
    return True


def _read(place: Path, rules: Rules, problems: list[str], notes: list[str], *, trusted: bool) -> list[_Document]:
    found: list[str] = []
    profiles: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    readable = False
    try:
        if not trusted:
            _check_trust(place)
        top = toml_options.with_dashes(toml_options.read_toml(place), found)
        profiles, readable = _take_profiles(top, found), True
    except OSError as error:
        found.append(f"cannot be read: {error.strerror}; make it readable, or leave it out with --config none")
    except UsageProblem as usage:
        found.extend(usage.problems)
    sound = _sound(top, rules, found, place.parent, top=True)
    placed: dict[str, Mapping[str, Any]] = {}
    for name, entries in profiles.items():
        inside: list[str] = []
        placed[name] = _sound(entries, rules, inside, place.parent)
        found.extend(f"profile {name}: {words}" for words in inside)
    problems.extend(f"{place}: {words}" for words in found)
    if any("token" in entries for entries in (top, *profiles.values())) and (exposure := find_exposure(place)):
        notes.append(exposure)
    return [_Document(str(place), sound, placed)] if readable else []


def _check_trust(place: Path) -> None:
    if meddler := find_meddler(place):
        instead = f"make it yours, name it with --config {place}, or leave it out with --config none"
        raise UsageProblem(f"{meddler}; {instead}")


def _take_profiles(top: dict[str, Any], found: list[str]) -> dict[str, dict[str, Any]]:
    """Take the profiles out of what stands in a file."""
    profiles = top.pop("profile", {})
    if not (isinstance(profiles, dict) and all(isinstance(one, dict) for one in profiles.values())):
        found.append("profile: name the tables of profiles, such as [profile.prod]")
        return {}
    inside: list[str] = []
    taken = {name: toml_options.with_dashes(entries, inside) for name, entries in profiles.items()}
    found.extend(f"profile: {words}" for words in inside)
    return taken


def _sound(
    entries: Mapping[str, Any], rules: Rules, found: list[str], folder: Path, *, top: bool = False
) -> dict[str, Any]:
    """Give the entries that are right, as they are from the working directory; what is wrong is added to `found`."""
    found.extend(_find_problems(entries, rules.keys, top=top))
    checks = {name: key.check for name, key in rules.keys.items()}
    fits = {name: value for name, value in entries.items() if name in checks and not checks[name](value)}
    wrong = rules.judge(toml_options.in_full(fits, checks))
    found.extend(chain(*wrong.values()))
    return _with_places({name: fits[name] for name in fits if name not in wrong}, rules.keys, folder)


def _find_problems(entries: Mapping[str, Any], keys: Mapping[str, Key], *, top: bool = False) -> Iterator[str]:
    others = dict(entries)
    for name, value in entries.items():
        if name in keys:
            continue
        if _SECRET.search(name):
            kind = "api-secret" if "api" in name.lower() else "secret"
            variable = f"MP_{kind.upper().replace('-', '_')}"
            instead = f'put it alone into a file and write {kind}-file = "PATH", or set {variable}'
            yield f"{name}: a configuration file holds no secret; {instead}"
            del others[name]
        elif top and isinstance(value, dict) and name != "profiles":
            yield f"unknown table [{name}]; a profile is written [profile.{name}]"
            del others[name]
    checks = {name: key.check for name, key in keys.items()}
    if top:
        checks["profile"] = toml_options.table  # has been taken out; what is nearly so called meant it
    yield from toml_options.find_problems(others, checks, "mpimport --help shows the options")


def _with_places(entries: Mapping[str, Any], keys: Mapping[str, Key], folder: Path) -> dict[str, Any]:
    """Give entries in full, with each path as it is from the working directory."""
    placed = toml_options.in_full(entries, {name: key.check for name, key in keys.items()})
    for name, value in placed.items():
        if keys[name].path:
            place = partial(_place, folder=folder if name in READ_FILES else Path())
            placed[name] = [place(path) for path in value] if isinstance(value, list) else place(value)
    return placed


def _place(path: str, folder: Path) -> str:
    path = os.path.expanduser(path)  # noqa: PTH111  a Path would lose what a text says, such as "./"
    return path if folder == Path() else os.path.join(folder, path)  # noqa: PTH118


def _unknown_profile(documents: list[_Document], places: tuple[Path, ...]) -> str:
    names = sorted({name for document in documents for name in document.profiles})
    if names:
        return f"there is no such profile; there are {', '.join(names)}"
    if documents:
        return f"there is no profile in {' or '.join(document.name for document in documents)}"
    return f"there is no configuration file; it would be {' or '.join(map(str, reversed(places))) or 'left out'}"
