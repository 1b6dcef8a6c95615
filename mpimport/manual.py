"""The manual page, made from the command itself: `python -m mpimport.manual` writes it.

Own code, since click-man knows neither groups nor which part of the help are examples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version

from mpimport.cli import command
from mpimport.command_line import grouped, help_record
from mpimport.options import EPILOG, HELP

FILES = {
    "./mpimport.toml": "The configuration of the working directory, before the user's.",
    "~/.config/mpimport/config.toml": "The user's configuration; macOS and Windows have their own folders.",
    "~/.local/state/mpimport/": "Checkpoints, from which an interrupted import is continued; the same is true there.",
    "SOURCE.rejected.ndjson": "What could not be imported, with what to mend; it can be imported again.",
}


def render() -> str:
    """Write the page in the language of man."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    context = command.make_context("mpimport", [], resilient_parsing=True)
    first, *paragraphs = HELP.strip().split("\n\n")
    examples, exit_codes = EPILOG.replace("\b\n", "").strip().split("\n\n")
    yield r'.\" Made by "make man" from the options of the command: do not edit.'
    yield f'.TH MPIMPORT 1 "" "mpimport {version("mpimport")}" "User Commands"'
    yield from (".nh", ".ad l")
    yield from (".SH NAME", rf"mpimport \- {_text(first[0].lower() + first[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", r".B mpimport", r"[\fIOPTIONS\fR] [\fISOURCE\fR]...")
    yield ".SH DESCRIPTION"
    for paragraph in paragraphs:
        yield from (".PP", _text(" ".join(paragraph.split())))
    yield ".SH OPTIONS"
    for title, options in grouped(command, context):
        yield f".SS {_text(title)}"
        for option in options:
            written, meaning = help_record(option, context)
            yield from (".TP", rf"\fB{_text(written)}\fR", _text(" ".join(meaning.split())))
    yield ".SH FILES"
    for name, meaning in FILES.items():
        yield from (".TP", rf"\fI{_text(name)}\fR", _text(meaning))
    for heading, block in (("EXIT STATUS", exit_codes), ("EXAMPLES", examples)):
        yield from (f".SH {heading}", ".nf", *(_text(line[2:]) for line in block.splitlines()[1:]), ".fi")


def _text(text: str) -> str:
    """Escape what man would take for its own."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.stdout.write(render())
