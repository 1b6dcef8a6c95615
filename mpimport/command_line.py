"""The command as click has it: help in groups, words for a secret on the command line, choices that know misspellings.

Own code, since rich-click and cloup would be loaded by every `--help`, which has a limit for how long it takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from mpimport.options import GROUPS
from mpimport.spelling import nearest

_SECRET = re.compile(r"(secret|password|passwd|passphrase)$", re.IGNORECASE)
_COLUMN = 24  # most options fit


class ImportCommand(click.Command):
    """A command whose options are shown in groups."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and say what to do instead of giving a secret's value, which is not repeated."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as misuse:
            raise _meant(misuse) from None
        except click.BadParameter as misuse:
            raise _placed(misuse) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under the heading of its group."""
        for title, options in grouped(self, ctx):
            rows = [help_record(option, ctx) for option in options]
            with formatter.section(title):
                formatter.write_dl([(written.ljust(_COLUMN), meaning) for written, meaning in rows], col_max=_COLUMN)


def _meant(misuse: click.NoSuchOption) -> click.UsageError:
    """Say of an option that there is not what was meant."""
    name = misuse.option_name
    if not _SECRET.search(name):
        near = nearest(name, misuse.possibilities or ())
        return click.NoSuchOption(name, possibilities=[near] if near else None, ctx=misuse.ctx)
    kind = "api-secret" if "api" in name else "secret"
    variable = f"MP_{kind.upper().replace('-', '_')}"
    return click.UsageError(
        f"no option takes a secret's value, for everybody on this machine could read it: put it into a file "
        f"and give --{kind}-file PATH, or set {variable}. What followed {name} may be in your shell's history.",
        misuse.ctx,
    )


def _placed(misuse: click.BadParameter) -> click.BadParameter:
    """Say of a wrong value whether an option or which variable gave it; click names the variables in any case."""
    context, option = misuse.ctx, misuse.param
    if context is None or not isinstance(option, click.Option) or option.name is None:
        return misuse
    hint = " / ".join(f"'{name}'" for name in option.opts)
    if context.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
        hint = f"{hint} (from {variable_of(option)})"
    return click.BadParameter(misuse.message, context, param_hint=hint)


def variable_of(option: click.Option) -> str | None:
    """Give the variable of the environment that an option's value is from."""
    names = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    return next((name for name in names if os.environ.get(name)), None)


def help_record(option: click.Option, context: click.Context) -> tuple[str, str]:
    """Give an option as it is written, and what it means, with its default and its variables."""
    written, meaning = option.get_help_record(context) or ("", "")
    return written, meaning.replace("  [env var: ", "  [")


def grouped(command: click.Command, context: click.Context) -> Iterator[tuple[str, list[click.Option]]]:
    """Give the options of a command in their groups: each heading with all options up to the next one's first."""
    title, options = "", list[Any]()
    for option in command.get_params(context):
        if not isinstance(option, click.Option):
            continue
        if option.opts[0] in GROUPS:
            if options:
                yield title, options
            title, options = GROUPS[option.opts[0]], []
        options.append(option)
    yield title, options
