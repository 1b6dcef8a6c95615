"""What was given for a run: options, environment, mapping and configuration files brought together; and from where.

Must not know what an option does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mpimport import toml_options
from mpimport.command_line import variable_of
from mpimport.config_file import Key, Layer, Rules, read_config
from mpimport.errors import noting
from mpimport.file_values import find_wrong_values
from mpimport.giving_way import SECRETS, give_way
from mpimport.mapping_file import KEYS, read_mapping, read_pairs
from mpimport.options import names_file
from mpimport.private_files import find_exposure
from mpimport.toml_options import Check, json_or_text
from mpimport.variables import check_variables

COMMAND_LINE = "command line"
NOT_IN_FILES = {"profile", "config", "version", "help"}
WHOLE_TOO = {"project-id", "max-rejected"}  # texts that may be written as numbers
SECRET_FILES = ("secret-file", "api-secret-file", "token-file")
CREDENTIALS = {"username", "token", *SECRET_FILES}


@dataclass(frozen=True, slots=True)
class Given:
    """All that was given: `values` by parameter, `mapping` as a mapping file has it, `origins` of all but defaults.

    `shown` is by option, as files have it; `files` are read, and there. `ignored` are variables whose secret is
    not asked for, `doubted` options of a secret's file whose path may be the secret itself.
    `unread`: a configuration file could not be used.
    """

    values: Mapping[str, Any]
    mapping: Mapping[str, Any]
    origins: Mapping[str, str]
    shown: Mapping[str, Any]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    files: frozenset[str]
    ignored: frozenset[str]
    doubted: frozenset[str]
    unread: bool

    def told(self) -> Iterator[str]:
        """Tell each value that is no default, and from where it is; tokens are masked."""
        for name, origin in self.origins.items():
            yield f"--{name}{_shown(name, self.shown[name])} ({origin})"
        for variable, name in SECRETS.items():
            if variable in _secrets() - self.ignored and name not in self.origins:
                yield f"{variable} *** (environment)"
        yield from self.left_out

    def as_text(self) -> dict[str, str]:
        """Give the options that are no defaults as a report tells them: none that is about credentials."""
        return {
            f"--{name}": _shown(name, self.shown[name]).lstrip() or "on"
            for name in sorted(self.origins.keys() - CREDENTIALS)
        }

    def place(self, problem: str) -> str:
        """Add to a problem with options that it was a file or the environment that gave them."""
        names = dict.fromkeys(re.findall(r"--([a-z][a-z-]+)", problem.partition(":")[0]))
        places = {name: origin for name in names if (origin := self.origins.get(name, COMMAND_LINE)) != COMMAND_LINE}
        if not places:
            return problem
        origins = set(places.values())
        if len(origins) == 1:
            told = f"{' and '.join(f'--{name}' for name in places)} {'is' if len(places) == 1 else 'are'} from"
            place = f"({told} {origins.pop()})"
        else:
            place = f"({', '.join(f'--{name} is from {origin}' for name, origin in places.items())})"
        return problem if place in problem else f"{problem} {place}"


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
    variables, arguments = _given_here(context, options, problems)
    notes: list[str] = []
    check_variables(os.environ, options, problems, notes)
    named, profile = (context.params[name] for name in ("config", "profile"))
    rules, unread = Rules(_keys(options), partial(_judge, context, options)), list[str]()
    below = read_config(named, profile, rules, unread, notes)
    problems += unread
    lower = _with_mapping(below, [*variables, arguments], problems)
    settled = give_way(lower, variables, arguments, _secrets())

    shown: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in settled.layers:
        for name, value in layer.entries.items():
            merges = isinstance(value, dict) and name in shown
            origins[name] = f"{origins[name]}; {layer.origin}" if merges else layer.origin
        shown = toml_options.overlay(shown, layer.entries)
    values = _values(context, options, shown, {name for name in origins if origins[name] in _origins(below)})
    secrets = [path for name in SECRET_FILES if (path := values[name.replace("-", "_")])]
    notes += [exposure for path in secrets if (exposure := find_exposure(path))]
    files = frozenset(filter(os.path.exists, [*secrets, *(layer.file for layer in lower if layer.file)]))
    mapping = {name: value for name, value in shown.items() if name in KEYS}
    return Given(
        values,
        mapping,
        origins,
        shown,
        tuple(notes),
        settled.told,
        files,
        settled.ignored,
        _find_doubted(settled.layers),
        bool(unread),
    )


def _values(
    context: click.Context, options: Mapping[str, click.Option], shown: Mapping[str, Any], in_files: Collection[str]
) -> dict[str, Any]:
    """Give the values by parameter: click knows what is in the environment, but neither files nor what gave way."""
    values = dict(context.params)
    for name, option in options.items():
        assert option.name  # click gives each one
        if name in in_files and name not in KEYS:
            values[option.name] = option.type_cast_value(context, shown[name])
        elif name not in shown and context.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
            values[option.name] = (
                option.default if isinstance(option.default, str) else False if option.is_flag else None
            )
    return values


def _judge(
    context: click.Context, options: Mapping[str, click.Option], entries: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Give what is wrong, by name, with values of a configuration file whose kinds are right."""
    values = dict(context.params)
    for name in entries.keys() - KEYS.keys():
        values[options[name].name or ""] = options[name].type_cast_value(context, entries[name])
    return find_wrong_values(values, entries)


def _origins(layers: Sequence[Layer]) -> set[str]:
    return {layer.origin for layer in layers}


def _find_doubted(layers: Sequence[Layer]) -> frozenset[str]:
    """Find the options whose path is a name alone, or leads from where it is looked for into no folder."""
    found: dict[str, bool] = {}
    for layer in layers:
        folder = Path(layer.file or "").parent
        for name, path in layer.entries.items():
            if name in SECRET_FILES:
                parent = Path(path).parent
                found[name] = parent == folder or (parent.is_relative_to(folder) and not os.path.isdir(parent))  # noqa: PTH112  a Path raises for a name that is too long
    return frozenset(name for name, is_doubted in found.items() if is_doubted)


def _secrets() -> set[str]:
    return {name for name in SECRETS if os.environ.get(name, "").strip()}


def option_name(option: click.Option) -> str:
    """Give the name of an option without its dashes."""
    return option.opts[0].lstrip("-")


def _given_here(
    context: click.Context, options: Mapping[str, click.Option], problems: list[str]
) -> tuple[list[Layer], Layer]:
    """Give what the environment and the command line gave, as files have it."""
    variables: list[Layer] = []
    arguments: dict[str, Any] = {}
    for name, option in options.items():
        assert option.name  # click gives each one
        source, value = context.get_parameter_source(option.name), context.params[option.name]
        if source is ParameterSource.ENVIRONMENT:
            variable, found = variable_of(option) or "environment", list[str]()
            found.extend(_find_unexpanded(option, value))
            variables.append(Layer(variable, _as_in_files(name, value, found)))
            problems.extend(f"{problem} (--{name} is from {variable})" for problem in found)
        elif source is ParameterSource.COMMANDLINE:
            problems.extend(_find_unexpanded(option, value))
            arguments.update(_as_in_files(name, value, problems))
    return variables, Layer(COMMAND_LINE, arguments)


def _find_unexpanded(option: click.Option, value: Any) -> Iterator[str]:
    """Tell of a ~ that the shell has left: within quotes, behind = and in many variables it does."""
    for path in value if isinstance(value, tuple) else (value,):
        if names_file(option) and isinstance(path, str) and path.startswith("~/"):
            yield f"{option.opts[0]}: ~ is no folder of this name, and no shell has replaced it: write the whole path"


def _as_in_files(name: str, value: Any, problems: list[str]) -> dict[str, Any]:
    """Give a value that an option has as an entry that a file could have; nothing where it is as if not given."""
    if name in {"rename", "set", "type"}:
        value = read_pairs(name, value, problems)
    if name == "set":
        value = {key: json_or_text(text) for key, text in value.items()}
    if name == "insert-id-from":
        if value and ", " in value:
            written = re.sub(", +", ",", value)
            problems.append(f"--{name} {value}: a space behind a comma would be part of the name: write {written}")
        value = [field for field in (value or "").split(",") if field]
    if name == "event-name" and value == "":
        problems.append(f"--{name}: its value is empty; is a variable of the shell not set? Leave it out, or name one")
    if isinstance(value, tuple):
        value = list(value)
    return {} if name in KEYS and not value and value is not False else {name: value}


def _with_mapping(below: list[Layer], here: list[Layer], problems: list[str]) -> list[Layer]:
    """Put what the mapping file says right after the place that names it: `here`, or a configuration file `below`."""
    layers = [*below, *here]
    named = [number for number, layer in enumerate(layers) if "mapping" in layer.entries]
    if not named:
        return below
    path, place = layers[named[-1]].entries["mapping"], min(named[-1], len(below))
    if not path:  # --mapping '' leaves out the one of a configuration file
        return below
    entries: Mapping[str, Any] = {}
    with noting(problems):
        entries = read_mapping(path)
    return [*below[:place], Layer(path, entries, path), *below[place:]]


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
