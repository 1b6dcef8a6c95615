"""What was given for a run: options, environment, mapping and configuration files brought together; and from where.

Must not know what an option does, but which of two that exclude each other gives way.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from mpimport import toml_options
from mpimport.config_file import Key, Layer, read_config
from mpimport.errors import noting
from mpimport.mapping_file import KEYS, json_or_text, read_mapping, read_pairs
from mpimport.options import names_file
from mpimport.private_files import find_exposure
from mpimport.toml_options import Check

COMMAND_LINE = "command line"
NOT_IN_FILES = {"profile", "config", "version", "help"}
WHOLE_TOO = {"project-id", "max-rejected"}  # texts that may be written as numbers
CREDENTIALS = {"username", "secret-file", "api-secret-file", "token", "token-file"}
SECRETS = {"MP_SECRET": "secret-file", "MP_API_SECRET": "api-secret-file"}
"""The variables that hold a secret, and the option that a file of it has."""
GIVES_WAY = {
    "url": ("sandbox", "region"),
    "region": ("url",),
    "sandbox": ("dry-run", "url"),
    "dry-run": ("sandbox",),
    "checkpoint": ("no-checkpoint",),
    "no-checkpoint": ("checkpoint",),
    "gzip-level": ("no-gzip",),
    "no-gzip": ("gzip-level",),
    "username": ("token", "token-file", "api-secret-file", "MP_API_SECRET"),
    "secret-file": ("MP_SECRET", "token", "token-file", "api-secret-file", "MP_API_SECRET"),
    "api-secret-file": ("MP_API_SECRET", "token", "token-file", "username"),
    "token": ("token-file",),
    "token-file": ("token",),
    "quiet": ("verbose",),
    "verbose": ("quiet",),
}
"""What in a configuration file gives way to what was given in a place that comes before it: to have both is refused,
or would mean something else. A variable stands for a secret that no option takes."""


@dataclass(frozen=True, slots=True)
class Given:
    """All that was given: `values` by parameter, `mapping` as a mapping file has it, `origins` of all but defaults.

    `shown` is by option, as files have it; `config` are the origins that are configuration files; `files` are read.
    """

    values: Mapping[str, Any]
    mapping: Mapping[str, Any]
    origins: Mapping[str, str]
    shown: Mapping[str, Any]
    notes: tuple[str, ...]
    config: frozenset[str]
    left_out: tuple[str, ...]
    files: frozenset[str]

    def told(self) -> Iterator[str]:
        """Tell each value that is no default, and from where it is; tokens are masked."""
        for name, origin in self.origins.items():
            yield f"--{name}{_shown(name, self.shown[name])} ({origin})"
        for variable, name in SECRETS.items():
            if os.environ.get(variable, "").strip() and name not in self.origins:
                yield f"{variable} *** (environment)"
        yield from self.left_out

    def as_text(self) -> dict[str, str]:
        """Give the options that are no defaults as a report tells them: none that is about credentials."""
        return {
            f"--{name}": _shown(name, self.shown[name]).lstrip() or "on"
            for name in sorted(self.origins.keys() - CREDENTIALS)
        }

    def place(self, problem: str) -> str:
        """Add to a problem with an option that it was a configuration file that gave it."""
        for name in re.findall(r"--([a-z][a-z-]+)", problem.partition(":")[0]):
            origin = self.origins.get(name)
            if origin in self.config:
                problem = f"{problem} (--{name} is from {origin})"
        return problem


def _shown(name: str, value: Any) -> str:
    if value is True:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return f" {'***' if name == 'token' else text}"


def bring_together(context: click.Context, problems: list[str]) -> Given:
    """Find what holds for each option, adding to `problems` what cannot be.

    An option comes before the environment, that before the configuration files. A mapping file comes right after the
    place that names it.
    """
    options = {option_name(it): it for it in context.command.params if isinstance(it, click.Option) and it.expose_value}
    here = _given_here(context, options, problems)
    notes: list[str] = []
    named, profile = (context.params[name] for name in ("config", "profile"))
    below = read_config(named, profile, _keys(options), problems, notes)
    left_out: list[str] = []
    below = _give_way(below, here, left_out)
    config = frozenset(layer.origin for layer in below)
    layers = _with_mapping(below, here, problems)

    shown: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.entries.items():
            merges = isinstance(value, dict) and name in shown
            origins[name] = f"{origins[name]}; {layer.origin}" if merges else layer.origin
        shown = toml_options.overlay(shown, layer.entries)
    values = dict(context.params)
    for name, origin in origins.items():
        option = options[name]
        if name not in KEYS and option.name and origin in config:
            values[option.name] = option.type_cast_value(context, shown[name])
    secrets = [values[name] for name in ("secret_file", "api_secret_file", "token_file") if values[name]]
    notes += [exposure for path in secrets if (exposure := find_exposure(path))]
    files = frozenset([*secrets, *(layer.file for layer in layers if layer.file)])
    mapping = {name: value for name, value in shown.items() if name in KEYS}
    return Given(values, mapping, origins, shown, tuple(notes), config, tuple(left_out), files)


def option_name(option: click.Option) -> str:
    """Give the name of an option without its dashes."""
    return option.opts[0].lstrip("-")


def _given_here(context: click.Context, options: Mapping[str, click.Option], problems: list[str]) -> list[Layer]:
    """Give what the environment and the command line gave, as files have it."""
    variables, arguments = [], {}
    for name, option in options.items():
        assert option.name  # click gives each one
        source, value = context.get_parameter_source(option.name), context.params[option.name]
        if source is ParameterSource.ENVIRONMENT:
            variables.append(Layer(_variable(option), _as_in_files(name, value, problems)))
        elif source is ParameterSource.COMMANDLINE:
            arguments.update(_as_in_files(name, value, problems))
    return [*variables, Layer(COMMAND_LINE, arguments)]


def _variable(option: click.Option) -> str:
    names = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    return next((name for name in names if os.environ.get(name)), COMMAND_LINE)


def _as_in_files(name: str, value: Any, problems: list[str]) -> dict[str, Any]:
    """Give a value that an option has as an entry that a file could have; nothing where it is as if not given."""
    if name in {"rename", "set", "type"}:
        value = read_pairs(name, value, problems)
    if name == "set":
        value = {key: json_or_text(text) for key, text in value.items()}
    if name == "insert-id-from":
        value = [field for field in (value or "").split(",") if field]
    if isinstance(value, tuple):
        value = list(value)
    return {} if name in KEYS and not value and value is not False else {name: value}


def _with_mapping(below: list[Layer], here: list[Layer], problems: list[str]) -> list[Layer]:
    """Put what the mapping file says right after the place that names it: the one, or a configuration file."""
    layers = [*below, *here]
    named = [number for number, layer in enumerate(layers) if "mapping" in layer.entries]
    if not named:
        return layers
    path, place = layers[named[-1]].entries["mapping"], min(named[-1], len(below))
    if not path:  # --mapping '' leaves out the one of a configuration file
        return layers
    entries: Mapping[str, Any] = {}
    with noting(problems):
        entries = read_mapping(path)
    return [*layers[:place], Layer(path, entries, path), *layers[place:]]


def _give_way(below: list[Layer], here: list[Layer], left_out: list[str]) -> list[Layer]:
    """Leave out of the configuration files what gives way, and say so."""
    secrets = {name: "***" for name in SECRETS if os.environ.get(name, "").strip()}
    kept = []
    for number, layer in enumerate(below):
        above = [*below[number + 1 :], *here, Layer("", secrets)]
        entries = dict(layer.entries)
        for name in layer.entries:
            others = [it for it in GIVES_WAY.get(name, ()) if any(one.entries.get(it) for one in above)]
            if others:
                entries.pop(name)
                option = "" if others[0] in secrets else "--"
                left_out.append(f"--{name} of {layer.origin} gives way to {option}{others[0]}")
        kept.append(Layer(layer.origin, entries, layer.file))
    return kept


def _keys(options: Mapping[str, click.Option]) -> dict[str, Key]:
    """Say what each option may be in a file."""
    return {
        name: Key(KEYS.get(name) or _check_of(name, option), names_file(option))
        for name, option in options.items()
        if name not in NOT_IN_FILES
    }


def _check_of(name: str, option: click.Option) -> Check:
    if option.is_flag:
        return toml_options.flag
    if option.multiple:
        return toml_options.texts
    if isinstance(option.type, click.Choice):
        return toml_options.one_of(*option.type.choices)
    if option.nargs == 2:
        return toml_options.two_numbers
    if name in WHOLE_TOO:
        return toml_options.text_or_whole
    return {click.INT: toml_options.whole, click.FLOAT: toml_options.number}.get(option.type, toml_options.text)
