"""The command as click has it: help in groups, words for a secret on the command line, choices that know misspellings.

Own code, since rich-click and cloup would be loaded by every `--help`, which has a limit for how long it takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from click.core import ParameterSource

from mpimport.misspelt import DASHES, find_meant, hint
from mpimport.options import GROUPS

_SECRET = re.compile(r"(secret|password|passwd|passphrase|^--pass|^--api[-_]?key|bearer)$", re.IGNORECASE)
_COLUMN = 24  # most options fit


class ImportCommand(click.Command):
    """A command whose options are shown in groups."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and tell all that is wrong together; a secret's value is not repeated."""
        given = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except (click.NoSuchOption, click.BadParameter) as misuse:
            raise Misuse(dict.fromkeys(self._find_misuse(ctx, given)) or [misuse.format_message()], ctx) from None
        if not ctx.resilient_parsing and (pasted := list(_find_pasted(self, ctx.params["sources"], given))):
            raise Misuse(pasted, ctx)
        return rest

    def _find_misuse(self, ctx: click.Context, given: list[str]) -> Iterator[str]:
        """Parse once more, passing over what is wrong to what is wrong behind it."""
        lenient = click.Context(self, ctx.parent, ctx.info_name, ignore_unknown_options=True)
        try:
            opts, _, _ = self.make_parser(lenient).parse_args(list(given))
        except click.UsageError as misuse:
            yield misuse.format_message()
            return
        sources = opts["sources"] if isinstance(opts["sources"], Sequence) else ()  # click marks what is not given
        for argument in _before_end(sources, given):
            if argument.startswith("-") and argument != "-":
                yield _word_unknown(self, argument, given)
        yield from _find_pasted(self, sources, given)
        for option in self.get_params(lenient):
            if isinstance(option, click.Option) and not option.is_eager:
                try:
                    option.handle_parse_result(lenient, opts, [])
                except click.BadParameter as misuse:
                    yield _placed(misuse).format_message()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under the heading of its group."""
        for title, options in grouped(self, ctx):
            rows = [help_record(option, ctx) for option in options]
            with formatter.section(title):
                formatter.write_dl([(written.ljust(_COLUMN), meaning) for written, meaning in rows], col_max=_COLUMN)


class Misuse(click.UsageError):
    """Everything that is wrong with a command line, told together."""

    def __init__(self, problems: Iterable[str], context: click.Context) -> None:
        self.problems = tuple(problems)
        super().__init__("\nError: ".join(self.problems), context)


def _word_unknown(command: click.Command, argument: str, given: Sequence[str]) -> str:
    """Say of an option that there is not what was meant; click parts one of one dash into letters."""
    name = argument.partition("=")[0]
    known = _names(command)
    if not name.startswith("--"):
        whole = next((it for it in given if it[:1] == "-" != it[1:2] and set(argument) <= set(it)), name)
        whole = whole.partition("=")[0]
        name = whole if len(whole) > 2 and find_meant(whole, known) else name[:2]  # what follows may be a secret
    if not _SECRET.search(name):
        return f"No such option {name!r}. {hint(name, known) or 'mpimport --help shows all options.'}"
    kind = "api-secret" if "api" in name else "secret"
    variable = f"MP_{kind.upper().replace('-', '_')}"
    return (
        f"no option takes a secret's value, for everybody on this machine could read it: put it into a file "
        f"and give --{kind}-file PATH, or set {variable}. What followed {name} may be in your shell's history."
    )


def _find_pasted(command: click.Command, sources: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    """Tell of options whose hyphens a text program has made dashes, so that they count as files."""
    for source in _before_end(sources, given):
        if source.startswith(tuple(DASHES)) and not os.path.lexists(source):
            name = source.partition("=")[0]
            meant = find_meant(name, _names(command)) or ["OPTION"]
            yield f"{name!r} begins with a dash, where an option has two hyphens: type --{meant[0]}"


def _before_end(sources: Sequence[str], given: Sequence[str]) -> Sequence[str]:
    """Leave out what stands behind `--`, which are files whatever they are called."""
    return sources[: len(sources) - len(given) + given.index("--") + 1] if "--" in given else sources


def _names(command: click.Command) -> list[str]:
    options = [it for it in command.params if isinstance(it, click.Option)]
    return [name[2:] for it in options for name in (*it.opts, *it.secondary_opts) if name.startswith("--")] + ["help"]


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
