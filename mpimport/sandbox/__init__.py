"""The local stand-in of the ingestion API, written from the API's documentation alone.

It imports nothing of the importer: the validation of either is the check of the other's.
"""

from mpimport.sandbox.config import SandboxConfig
from mpimport.sandbox.server import Sandbox

__all__ = ["Sandbox", "SandboxConfig"]
