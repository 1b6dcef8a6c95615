"""What is completed while somebody types: files, profiles, delimiters, kinds, zones; and what stands behind `=`.

Loaded by every start, so it loads the rest when something is completed. Must not know what an option does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VARIABLE = "_MPIMPORT_COMPLETE"


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to complete the name of a file."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415  needed while somebody types only

    return [CompletionItem(incomplete, type="file")]


def complete_profile(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a profile of the configuration files."""
    from mpimport.config_file import profile_names  # noqa: PLC0415  needed while somebody types only

    named = context.params.get("config") or os.environ.get("MPIMPORT_CONFIG") or None
    return _matching(profile_names(named), incomplete)


def complete_kind(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the kind behind a property's name."""
    from mpimport.value_types import KINDS  # noqa: PLC0415  needed while somebody types only

    name, equals, _ = incomplete.rpartition("=")
    return _matching((f"{name}={kind}" for kind in KINDS), incomplete) if equals else []


def complete_delimiter(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a character that is hard to type, or means something to a shell."""
    from mpimport.formats.reading import DELIMITERS  # noqa: PLC0415  needed while somebody types only

    return _matching((name for name in DELIMITERS if name.isalpha()), incomplete)


def complete_zone(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a time zone, typed in small letters too."""
    from zoneinfo import available_timezones  # noqa: PLC0415  needed while somebody types only

    return _matching(sorted(available_timezones()), incomplete)


def _matching(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415  needed while somebody types only

    return [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]


def mend_shells() -> None:
    """Have what stands behind `=` completed: bash cuts words there, and the other shells replace them as a whole."""
    from click import shell_completion as shells  # noqa: PLC0415  needed while somebody types only

    class Bash(shells.BashComplete):
        cut = ""

        def get_completion_args(self) -> tuple[list[str], str]:
            typed, at = shells.split_arg_string(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
            words: list[str] = []
            for word in [*typed, ""][: at + 1]:
                if words and (word == "=" or words[-1].endswith("=")):
                    words[-1] += word
                else:
                    words.append(word)
            incomplete = words[-1]
            if len(words) <= at and not incomplete.startswith("-"):  # of an option click itself gives the value alone
                self.cut = incomplete[: incomplete.rindex("=") + 1] if "=" in incomplete else ""
            return words[1:-1], incomplete

        def format_completion(self, item: CompletionItem) -> str:
            return f"{item.type},{item.value.removeprefix(self.cut)}"

    class Zsh(shells.ZshComplete):
        source_template = shells.ZshComplete.source_template.replace("_path_files", "compset -P '--*='; _path_files")

        def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
            return _with_option(super().get_completions(args, incomplete), incomplete)

    class Fish(shells.FishComplete):
        source_template = shells.FishComplete.source_template.replace(
            "__fish_complete_path $metadata[2];",
            "set -l option (string match -r -- '^--[^=]*=' (commandline -t));"
            '__fish_complete_path $metadata[2] | string replace -r -- "^" "$option";',
        ).replace("string split", "string split -m 1")  # a help may hold commas

        def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
            return _with_option(super().get_completions(args, incomplete), incomplete)

    for name, shell in (("bash", Bash), ("zsh", Zsh), ("fish", Fish)):
        shells.add_completion_class(shell, name)


def _with_option(items: list[CompletionItem], incomplete: str) -> list[CompletionItem]:
    option, equals, _ = incomplete.partition("=")
    if option.startswith("--") and equals:
        for item in items:
            if item.type == "plain":
                item.value = f"{option}={item.value}"
    return items
