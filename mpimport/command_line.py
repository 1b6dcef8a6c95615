"""The command as click has it: help in groups, words for a secret on the command line, choices that know misspellings.

Own code, since rich-click and cloup would be loaded by every `--help`, which has a limit for how long it takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from mpimport.misspelt import DASHES, find_meant, hint
from mpimport.options import GROUPS

_SECRET = re.compile(r"(secret|password|passwd|passphrase|^--pass|^--api[-_]?key|bearer)$", re.IGNORECASE)
_NO_SUCH_VALUE = re.compile(r"is not a valid (boolean|integer|float)\..*", re.DOTALL)
_KINDS_OF_VALUES = {
    "boolean": "is neither true nor false: write true (or 1, yes, on) or false (or 0, no, off).",
    "integer": "is no whole number: write digits alone, such as 2000.",
    "float": "is no number: write digits alone, such as 30 or 0.5.",
}
"""What click says of a value that is of no use, in words for everybody."""
_COLUMN = 24  # most options fit
_NARROW, _INDENT = 60, 6  # where so little is left beside them that names of variables do not fit, it stands below


class ImportCommand(click.Command):
    """A command whose options are shown in groups."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and tell all that is wrong together; a secret's value is not repeated."""
        given = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except (click.NoSuchOption, click.BadParameter, click.BadOptionUsage) as misuse:
            raise Misuse(dict.fromkeys(self._find_misuse(ctx, given)) or [misuse.format_message()], ctx) from None
        if not ctx.resilient_parsing and (found := self._find_mixed_up(ctx.params, given)):
            raise Misuse(found, ctx)
        return rest

    def _find_mixed_up(self, opts: Mapping[str, Any], given: Sequence[str]) -> list[str]:
        """Find options that click took for something else, given what it took: for files, or for values."""
        sources = opts["sources"] if isinstance(opts["sources"], Sequence) else ()  # click marks what is not given
        return [*_find_pasted(self, sources, given), *_find_swallowed(self, opts)]

    def _find_misuse(self, ctx: click.Context, given: list[str]) -> Iterator[str]:
        """Parse once more, passing over what is wrong to what is wrong behind it."""
        lenient = click.Context(self, ctx.parent, ctx.info_name, ignore_unknown_options=True)
        problems: list[str] = []
        opts = self._parse_on(lenient, given, problems)
        yield from problems
        if opts is None:
            return
        sources = opts["sources"] if isinstance(opts["sources"], Sequence) else ()  # click marks what is not given
        for argument in _before_end(sources, given):
            if argument.startswith("-") and argument != "-":
                yield _word_unknown(self, argument, given)
        yield from self._find_mixed_up(opts, given)
        known = _names_of(self)
        for option in self.get_params(lenient):
            if isinstance(option, click.Option) and not option.is_eager:
                try:
                    option.handle_parse_result(lenient, opts, [])
                except click.BadParameter as misuse:
                    if not _swallowed(opts.get(option.name or ""), known):
                        yield _placed(misuse).format_message()

    def _parse_on(self, lenient: click.Context, given: list[str], problems: list[str]) -> Mapping[str, Any] | None:
        """Parse without the options that have a value too many, or none, which are added to `problems`."""
        try:
            return self.make_parser(lenient).parse_args(list(given))[0]
        except click.BadOptionUsage as misuse:
            problems.append(_word_value(misuse))
            left = [it for it in given if not it.startswith(f"{misuse.option_name}=")]
            if misuse.option_name in left and left == given:  # what lacks its value stands at the end
                left = left[: len(left) - 1 - left[::-1].index(misuse.option_name)]
            return self._parse_on(lenient, left, problems) if left != given else None
        except click.UsageError as misuse:
            problems.append(misuse.format_message())
            return None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under the heading of its group."""
        column = _COLUMN if formatter.width > _NARROW else _INDENT
        for title, options in grouped(self, ctx):
            rows = [help_record(option, ctx) for option in options]
            with formatter.section(title):
                formatter.write_dl([(written.ljust(column), meaning) for written, meaning in rows], col_max=column)


class Misuse(click.UsageError):
    """Everything that is wrong with a command line, told together."""

    def __init__(self, problems: Iterable[str], context: click.Context) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), context)


def problems_of(misuse: click.ClickException) -> Sequence[str]:
    """Give what is wrong with a command line, and where its options are told, unless something else helps."""
    problems = misuse.problems if isinstance(misuse, Misuse) else (misuse.format_message(),)
    last = problems[-1]
    if last.endswith("?") or "--help" in last:
        return problems
    return (*problems[:-1], f"{last.rstrip('.')}. mpimport --help shows all options.")


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


def _find_swallowed(command: click.Command, opts: Mapping[str, Any]) -> Iterator[str]:
    """Tell of an option that stands where the value of another should: it would count for nothing, as --dry-run."""
    known = _names_of(command)
    for option in command.params:
        if isinstance(option, click.Option) and (name := _swallowed(opts.get(option.name or ""), known)):
            yield f"'{option.opts[0]}' needs a value, but {name} follows it: write one, or leave it out."


def _names_of(command: click.Command) -> set[str]:
    options = [it for it in command.params if isinstance(it, click.Option)]
    return {name for it in options for name in (*it.opts, *it.secondary_opts)}


def _swallowed(value: Any, known: Collection[str]) -> str | None:
    """Give the name of an option that is a value, or among several; None: it is what it should be."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    return next((one for one in values if isinstance(one, str) and one in known), None)


def _word_value(misuse: click.BadOptionUsage) -> str:
    """Say of an option with a value too many, or none, how it is written."""
    told = misuse.format_message().rstrip(".")
    if "not take a value" in told:
        return f"{told}: write {misuse.option_name} alone to have it, or leave it out."
    return f"{told}: write what it takes behind {misuse.option_name}."


def _before_end(sources: Sequence[str], given: Sequence[str]) -> Sequence[str]:
    """Leave out what stands behind `--`, which are files whatever they are called."""
    return sources[: len(sources) - len(given) + given.index("--") + 1] if "--" in given else sources


def _names(command: click.Command) -> list[str]:
    options = [it for it in command.params if isinstance(it, click.Option)]
    return [name[2:] for it in options for name in (*it.opts, *it.secondary_opts) if name.startswith("--")] + ["help"]


def _placed(misuse: click.BadParameter) -> click.BadParameter:
    """Say of a wrong value whether an option or which variable gave it; click names the variables in any case."""
    context, option = misuse.ctx, misuse.param
    message = _NO_SUCH_VALUE.sub(lambda found: _KINDS_OF_VALUES[found[1]], misuse.message)
    if option is not None and option.nargs > 1 and re.search("[0-9] values .* given", message):
        message = f"{message.rstrip('.')}: part them by a space, such as '1 5'."
    if context is None or not isinstance(option, click.Option) or option.name is None:
        return misuse
    hint = " / ".join(f"'{name}'" for name in option.opts)
    if context.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
        hint = f"{hint} (from {variable_of(option)})"
    return click.BadParameter(message, context, param_hint=hint)


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
