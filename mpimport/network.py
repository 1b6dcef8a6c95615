"""Owns the way to the server as the settings say it: what is checked before anything is sent, then the transport.

Must not know requests, or what is sent.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from mpimport.auth import Auth
from mpimport.endpoints import REGIONS, Target, region_of
from mpimport.errors import UsageProblem
from mpimport.proxies import read_proxy
from mpimport.refusals import Sender
from mpimport.settings import Credentials, SendSettings, Settings
from mpimport.transport import Transport
from mpimport.trust import load_bundle

_log = logging.getLogger(__name__)


def check_network(send: SendSettings) -> None:
    """Check the settings of the way to the server. Raises UsageProblem with all problems."""
    problems = list(_problems(send))
    if problems:
        raise UsageProblem(*problems)


def open_transport(settings: Settings, place: Target, auth: Auth) -> Transport:
    """Make the transport to a place. UsageProblem: the environment names a proxy or certificates that are no use."""
    send = settings.send
    transport = Transport(
        place,
        auth,
        workers=send.workers,
        timeout_s=send.timeout_s,
        connect_timeout_s=send.connect_timeout_s,
        proxy="none" if settings.run.sandbox else send.proxy,  # a sandbox is in this very process
        ca_bundle=send.ca_bundle,
    )
    if transport.proxy:
        _log.info("through the proxy %s", transport.proxy)
    return transport


def sender_of(settings: Settings, place: Target, auth: Auth) -> Sender:
    """Tell who sends and where to, for the words about a refusal."""
    region, given = region_of(place.url), settings.credentials
    others = tuple(name for name in REGIONS if name != region)
    shape = _is_hexadecimal(given, auth.kind)
    return Sender(auth.kind, place.url, region, others, given.username or "", given.project_id or "", shape)


def _is_hexadecimal(given: Credentials, kind: str) -> bool:
    secret = given.token if kind == "project token" else given.secret
    return bool(secret and re.fullmatch("[0-9a-f]{32}", secret.reveal()))


def _problems(send: SendSettings) -> Iterator[str]:
    region = _region_of(send.url)
    if region and send.region_given and region != send.region:
        yield (
            f"--url {send.url} is the address of region {region.upper()}, but --region says {send.region.upper()}: "
            "events that are sent to the wrong region are lost; leave one of them out"
        )
    if send.proxy is not None:
        try:
            read_proxy(send.proxy)
        except ValueError as error:
            yield f"--proxy: {error}"
    if send.ca_bundle is not None:
        import ssl  # noqa: PLC0415 - 10 ms to import, needed only to send

        try:
            load_bundle(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), send.ca_bundle)
        except ValueError as error:
            yield f"--ca-bundle {send.ca_bundle}: {error}"


def _region_of(url: str | None) -> str | None:
    try:
        return region_of(url) if url else None
    except ValueError:  # no URL at all, which is told elsewhere
        return None
