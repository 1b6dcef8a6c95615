"""Owns which certificates are trusted: a CA bundle, a file or a folder, into a TLS context.

Must not know requests, or who named the bundle.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path

HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # what `openssl rehash` makes, and OpenSSL looks for
CERTIFICATE_NAMES = {".pem", ".crt", ".cer"}


def load_bundle(context: ssl.SSLContext, path: str) -> None:
    """Trust the certificates of a file, or of a folder with hashed names or without. ValueError: there are none."""
    try:
        if Path(path).is_dir():
            _load_folder(context, Path(path))
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ValueError("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from error
    except OSError as error:
        raise ValueError(f"certificates cannot be read from it: {error.strerror}") from error


def _load_folder(context: ssl.SSLContext, folder: Path) -> None:
    files = sorted(folder.iterdir())
    if any(HASHED_NAME.fullmatch(file.name) for file in files):
        context.load_verify_locations(capath=str(folder))
        return
    loaded = 0
    for file in files:
        if file.suffix.lower() in CERTIFICATE_NAMES and _loads(context, file):
            loaded += 1
    if not loaded:
        raise ValueError("the folder holds no certificates (*.pem, *.crt, *.cer, or names made by openssl rehash)")


def _loads(context: ssl.SSLContext, file: Path) -> bool:
    try:
        context.load_verify_locations(cafile=str(file))
    except ssl.SSLError:  # a key, say
        return False
    return True
