"""The options of the command line, each with its help, its default and its environment variables; and the help text.

Loads nothing that an import needs, so that `--help` is there at once. A test holds the choices to the
registries that they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mpimport.completion import complete_delimiter, complete_file, complete_kind, complete_profile, complete_zone
from mpimport.spelling import nearest

if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice  # takes no parameter before click 8.4

HELP = """Import events into Mixpanel, and account for every one of them.

SOURCE is a file, a quoted glob such as 'exports/*.csv', or - for standard
input; plain or gzip; NDJSON, JSON, CSV or TSV. Every event is checked before it
is sent. What cannot be imported is written to SOURCE.rejected.ndjson with its
line and what to mend.

The service account's secret comes from MP_SECRET, from --secret-file, or is
asked for. An option comes before its variable, that before ./mpimport.toml and
the user's configuration file, whose keys are the options' names. A variable
stands in [brackets]; lists in one are parted by spaces.
"""
EPILOG = """\b
Examples:
  mpimport events.ndjson --project-id 12345 --username importer.1a2b3c
  zcat day.json.gz | mpimport - --project-id 12345 --format ndjson
  mpimport 'exports/*.csv' --dry-run      check everything, send nothing
  mpimport events.ndjson --sandbox        no account: into a local stand-in
  mpimport events.ndjson --profile prod   with [profile.prod] of mpimport.toml

\b
Exit codes:
  0 all imported            1 some were rejected     2 wrong usage
  3 too many rejected       4 the server refused us  5 gave up, run again
  6 the input broke         7 it is under way        70 a bug
  129, 130, 143 interrupted, run again: it continues where it stopped
"""
GROUPS = {
    "--project-id": "Where to, and who sends",
    "--format": "What to read",
    "--mapping": "Your own names, times and types",
    "--long-strings": "Rules",
    "--workers": "Speed and politeness",
    "--rejected": "What is rejected",
    "--checkpoint": "When it is interrupted",
    "--audit": "What it says",
    "--profile": "Configuration and help",
}
"""The headings of the help, each by the first option under it."""
INSIDE_A_DOCUMENT = {"--json-path"}  # a path, but not of a file

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _NearChoice(_Choice):
    """A choice that says what was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(super().convert(value, param, ctx))
        except click.BadParameter as misuse:
            if near := nearest(str(value), self.choices):
                raise click.BadParameter(f"{misuse.message} Did you mean {near!r}?", ctx, param) from None
            raise


class _Texts(click.types.StringParamType):
    """A text that may be given several times; in a variable spaces part them, or line breaks where there are some."""

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [line.strip() for line in rv.splitlines() if line.strip()] if "\n" in rv else rv.split()


def names_file(option: click.Option) -> bool:
    """Whether an option takes the path of a file."""
    return option.metavar in {"PATH", "FILE", "FILE.prom"} and option.opts[0] not in INSIDE_A_DOCUMENT


def _option(*names: str, also: str | None = None, **settings: Any) -> Decorator:
    """Declare an option that is also read from MPIMPORT_<OPTION>, and from `also`, which others use too."""
    own = "MPIMPORT_" + names[0].lstrip("-").split("/")[0].upper().replace("-", "_")
    if isinstance(choice := settings.get("type"), click.Choice):
        settings["type"] = _NearChoice(choice.choices, case_sensitive=choice.case_sensitive)
    if settings.get("multiple"):
        settings["type"] = _Texts()
    if settings.get("metavar") in {"PATH", "FILE", "FILE.prom"} and names[0] not in INSIDE_A_DOCUMENT:
        settings["shell_complete"] = complete_file
    return click.option(*names, envvar=[own, also] if also else own, show_envvar=True, **settings)


OPTIONS: tuple[Decorator, ...] = (
    _option("--project-id", also="MP_PROJECT_ID", metavar="ID",
            help="The project's number; a stand-in (--url, --sandbox) takes any name."),
    _option("--username", also="MP_USERNAME", metavar="NAME", help="The service account's name."),
    _option("--secret-file", metavar="PATH",
            help="File that holds the service account's secret, unless MP_SECRET does."),
    _option("--api-secret-file", metavar="PATH",
            help="File that holds the project's legacy secret, unless MP_API_SECRET does."),
    _option("--token", also="MP_TOKEN", metavar="TOKEN",
            help="The project's token, instead of a service account; --endpoint track takes nothing else."),
    _option("--token-file", metavar="PATH", help="File that holds the project's token, in the place of --token."),
    _option("--region", also="MP_REGION", type=click.Choice(["us", "eu", "in"], case_sensitive=False), default="us",
            show_default=True, help="Where the project's data lives; a wrong region loses events."),
    _option("--url", also="MP_URL", metavar="URL", help="Base URL instead of the region's."),
    _option("--proxy", metavar="URL", help="Proxy instead of the environment's; none: no proxy."),
    _option("--ca-bundle", metavar="PATH", help="File or folder of CA certificates to trust instead of the usual."),
    _option("--endpoint", type=click.Choice(["import", "track"]), default="import", show_default=True,
            help="The endpoint of the API; track takes the last 5 days only."),
    _option("--sandbox", is_flag=True, help="Import into a local stand-in of the API, started for this run."),
    _option("--dry-run", is_flag=True, help="Do everything but send."),
    _option("--format", "format_name", type=click.Choice(["auto", "ndjson", "json", "csv", "tsv"]), default="auto",
            show_default=True, help="The input's format; auto: by name, else by looking at the first bytes."),
    _option("--json-path", metavar="PATH", help="Where the events are in a JSON document, such as data.events.item "
            "(ijson's prefix syntax); found by itself when one list of objects looks like events, or is the only one."),
    _option("--delimiter", metavar="CHAR", shell_complete=complete_delimiter,
            help="What parts the cells of a CSV file, such as ';' or tab."),
    _option("--misfit", type=click.Choice(["text", "reject"]),
            help="What becomes of a cell that does not fit its CSV column's type.  [default: text; reject where --type "
            "asked for the type]"),
    _option("--encoding", metavar="NAME",
            help="The input's encoding, such as windows-1252.  [default: UTF-8; UTF-16 by its mark]"),
    _option("--mapping", metavar="FILE", help="TOML file with any of the options from here to --deep."),
    _option("--event-name", metavar="NAME", help="The name of every event."),
    _option("--event-field", metavar="FIELD", help="The field that holds the event's name."),
    _option("--time-field", metavar="FIELD", help="The field that holds the time."),
    _option("--time-format", metavar="FORMAT",
            help="s, ms, us, ns, iso or a strptime format.  [default: all usual forms]"),
    _option("--timezone", metavar="ZONE", shell_complete=complete_zone,
            help="Zone of times that name none, such as Europe/Berlin.  [default: UTC]"),
    _option("--distinct-id-field", metavar="FIELD", help="The field that says who did it."),
    _option("--insert-id-field", metavar="FIELD", help="The field that holds the event's own id."),
    _option("--insert-id-from", metavar="A,B,...", help="Make the $insert_id from these fields."),
    _option("--rename", multiple=True, metavar="OLD=NEW", help="Rename a property; may be given several times, as may "
            "--drop, --keep, --set, --type and --drop-long."),
    _option("--drop", multiple=True, metavar="NAME", help="Leave a property out."),
    _option("--keep", multiple=True, metavar="NAME", help="Leave out every property that is not named."),
    _option("--set", multiple=True, metavar="NAME=VALUE",
            help="Set a property in every event; the value is JSON or text."),
    _option("--type", multiple=True, metavar="NAME=KIND", shell_complete=complete_kind,
            help="Read a property or CSV column as string, number, boolean, time, json or list."),
    _option("--long-strings", type=click.Choice(["truncate", "reject", "drop", "keep"]),
            help="What to do with text over 255 characters.  [default: truncate]"),
    _option("--drop-long", multiple=True, metavar="NAME", help="Leave a property out where its text is too long."),
    _option("--split-urls", is_flag=True, help="Turn a URL that is too long into host, path and parameters."),
    _option("--parse-json", is_flag=True, help="Turn JSON text that is too long into properties."),
    _option("--deep", type=click.Choice(["reject", "flatten", "stringify"]),
            help="What to do with objects that are too deep; stringify mends too wide ones, too.  [default: reject]"),
    _option("--geolocate", is_flag=True, help='Do not add "ip": 0 to events without ip: Mixpanel then places them '
            "where this machine is."),
    _option("--workers", type=int, default=16, show_default=True, metavar="N", help="Concurrent requests, 1 to 64."),
    _option("--batch-size", type=int, metavar="N", help="Events a request.  [default: 2000; track 50]"),
    _option("--batch-bytes", type=int, default=10_000_000, show_default=True, metavar="N",
            help="Uncompressed bytes a request."),
    _option("--gzip-level", type=int, metavar="N", help="1 quickest to 9 smallest.  [default: 1; track none]"),
    _option("--no-gzip", is_flag=True, help="Do not compress requests."),
    _option("--content-type", type=click.Choice(["ndjson", "json", "form"]),
            help="How a request holds its events.  [default: ndjson; track form]"),
    _option("--no-strict", is_flag=True, help="Leave out strict=1: the server then drops bad events silently."),
    _option("--timeout", type=float, default=30, show_default=True, metavar="S", help="Seconds for one attempt."),
    _option("--connect-timeout", type=float, default=10, show_default=True, metavar="S",
            help="Seconds of it for connecting."),
    _option("--give-up-after", type=float, default=900, show_default=True, metavar="S",
            help="Seconds that one batch may keep failing."),
    _option("--backoff-base", type=float, default=2, show_default=True, metavar="S",
            help="First wait after a failure."),
    _option("--backoff-max", type=float, default=60, show_default=True, metavar="S", help="Longest wait; it doubles."),
    _option("--backoff-jitter", type=(float, float), default=(1, 5), show_default=True, metavar="MIN MAX",
            help="Random seconds added to each wait."),
    _option("--max-events-per-second", type=float, default=30_000, show_default=True, metavar="N",
            help="Keep under this rate over any minute, after a burst of a minute's worth; 0 is off."),
    _option("--max-bytes-per-minute", type=float, default=2_000_000_000, show_default=True, metavar="N",
            help="The same for uncompressed bytes; 0 is off."),
    _option("--rate-window", type=float, default=60, show_default=True, metavar="S",
            help="Seconds over which these limits roll."),
    _option("--rejected", metavar="PATH", help="The rejected-events file.  [default: SOURCE.rejected.ndjson]"),
    _option("--max-rejected", metavar="N|P%", help="Stop when more events are rejected.  [default: no limit]"),
    _option("--checkpoint", metavar="PATH",
            help="Where an interrupted import is continued from.  [default: in the user's state folder]"),
    _option("--restart", is_flag=True, help="Forget an import that was interrupted, and begin anew."),
    _option("--no-checkpoint", is_flag=True, help="Keep none: an interrupted import begins anew."),
    _option("--audit", metavar="FILE", help="Write what a dry run found as JSON."),
    _option("--report", multiple=True, metavar="FILE",
            help="Write a report of the run: FILE.html to look at, FILE.json for programs; may be repeated."),
    _option("--metrics", metavar="FILE.prom",
            help="Write metrics of the run for Prometheus (node exporter, textfile collector)."),
    _option("--json", "as_json", is_flag=True, help="Print the summary as JSON on standard output."),
    _option("--progress/--no-progress", default=None, help="Show progress.  [default: a display on a terminal, "
            "else a line every 10 s]"),
    _option("--quiet", "-q", is_flag=True, help="Say nothing unless something goes wrong."),
    _option("--verbose", "-v", is_flag=True, help="Say more."),
    _option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
            help="How lines are logged; json on a terminal, too."),
    _option("--profile", metavar="NAME", shell_complete=complete_profile,
            help="Use what stands under [profile.NAME] in the configuration files."),
    _option("--config", metavar="FILE",
            help="Read this configuration file instead of the usual; none: none.  [default: ./mpimport.toml and the "
            "user's]"),
)  # fmt: skip


def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all options."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function
