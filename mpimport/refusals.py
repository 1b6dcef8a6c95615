"""Owns the words for a server that refuses who sends: what to check, by the kind of credentials and the region. Pure.

Must not know requests, where secrets come from, or what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from mpimport.records import Fatal, Response, Retry, Verdict
from mpimport.replies import clean_words, told

MAX_NAME = 80  # characters of a name that are shown


_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
_CHECK_THE_WAY = "check --url, the proxy, and whether this network wants a login first"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and where to, without a secret. `kind` is that of the `Auth`; `region` None: no region's host.

    `hexadecimal`: what proves it is 32 hexadecimal digits, as tokens and secrets of projects are.
    """

    kind: str
    url: str
    region: str | None = None
    other_regions: tuple[str, ...] = ()
    username: str = ""
    project_id: str = ""
    hexadecimal: bool = False


def advised(classify: Callable[[Response, int], Verdict], sender: Sender) -> Callable[[Response, int], Verdict]:
    """Give a `classify` that says to this sender what to check, where the other one speaks to anybody."""
    words = refusal_words(sender)
    host = urlsplit(sender.url).hostname or sender.url

    def classify_for_sender(response: Response, count: int) -> Verdict:
        verdict = classify(response, count)
        if isinstance(verdict, Fatal) and response.status in words:
            return Fatal(f"{words[response.status]} ({told(response)})")
        if isinstance(verdict, Retry) and response.status < 300 and _PAGE.match(response.body):
            return replace(verdict, reason=f"{host} answers with a web page: {_CHECK_THE_WAY} ({told(response)})")
        return verdict

    return classify_for_sender


def refusal_words(sender: Sender) -> Mapping[int, str]:
    """Give what to say to this sender when the server does not know it (401), or does not let it (403)."""
    if sender.kind not in _CHECKS:
        return {}
    who = f"the {sender.kind}"
    if sender.kind == "service account":
        who += f" '{clean_words(sender.username, MAX_NAME)}' for project {clean_words(sender.project_id, MAX_NAME)}"
    checks = f"check that {_CHECKS[sender.kind].format(project=clean_words(sender.project_id, MAX_NAME))}"
    where = _where(sender)
    if sender.kind == "service account" and sender.hexadecimal:
        checks = (
            "the secret that was given looks like a project's token or secret (32 hexadecimal digits): give the "
            "account's own with MP_SECRET or --secret-file, or the project's with --token or --api-secret-file alone; "
            "or, if it is the account's own, check the account's role in the project"
        )
    elif sender.kind == "project token" and not sender.hexadecimal:
        checks += "; a token is 32 hexadecimal digits, and what was given is not"
    return {
        401: f"the server refused {who}: {checks}; {where}",
        403: f"the server does not let {who} import: {checks}; {where}",
    }


_CHECKS = {
    "service account": (
        "the secret (MP_SECRET, --secret-file) is this account's own, no project's secret or token; that the account "
        "still exists (Organization Settings, Service Accounts); that it has the role Owner or Admin in project "
        "{project} (Project Settings, Service Accounts), and that --project-id is that project's"
    ),
    "project secret": (
        "MP_API_SECRET or --api-secret-file holds the API Secret of this very project (Project Settings, Overview, "
        "Access Keys), not its token and no service account's secret; a service account works where project "
        "secrets were retired"
    ),
    "project token": (
        "it is the Project Token of this very project (Project Settings, Overview, Access Keys), not its secret"
    ),
}


def _where(sender: Sender) -> str:
    if sender.region is None:
        return f"or the project is not known to {sender.url}: check --url"
    others = " or ".join(f"--region {name}" for name in sender.other_regions)
    return f"or the project's data is not in region {sender.region.upper()}: then give {others}"
