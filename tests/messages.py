"""Every message for people in the source, found by walking it; and those that say on purpose not what to do.

A message is what is raised, said, logged as a warning, given as a reason or added to the problems. Only its literal
text is seen: `{}` stands for what is put in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "mpimport"

CALLS = {
    *("UsageProblem", "BrokenInput", "CannotWrite", "GaveUp", "ServerRefused", "TooManyRejected", "AlreadyRunning"),
    *("MpimportError", "Unbalanced", "Unusable", "Fatal", "Failure", "Retry", "broken"),
}
ADDED_TO = {"problems", "notes", "steps", "found"}
YIELDED_IN = {"settings_check.py", "network.py", "sources.py", "inputs.py", "resume.py", "delimited.py", "columns.py"}
"""Modules whose generators of texts give problems; elsewhere they give lines of a report."""

TELLS_ONLY = {
    # The program tries again by itself, and says for how long; what is wrong is at the other end.
    "broke the TLS connection off": "failures.py",
    "did not lead on to": "failures.py",
    "no complete reply from": "failures.py",
    "was cut short": "failures.py",
    "no connection to": "failures.py",
    "no reply from": "failures.py",
    "took the connection but agreed on no TLS": "failures.py",
    "broke the connection off before its reply": "failures.py",
    "TLS with": "failures.py",
    "a firewall may be in the way": "failures.py",
    "not the documented reply to /track": "replies_track.py",
    "gave up on a batch": "trouble.py",
    # Of a series: another part of the same message, or the summary's next step, says what to do.
    "is cut short and was not read": "delimited.py",
    "is cut short there and was not read": "ndjson.py",
    "is cut short; it was not read": "json_cut.py",
    "ends without its closing bracket": "json_cut.py",
    "the text ends in the middle of record": "json_cut.py",
    "the document ends in the middle": "json_walk.py",
    "is no JSON just before byte": "json_walk.py",
    "is longer than {} bytes": "json_walk.py",
    "brackets are open at byte": "json_walk.py",
    "was read, and": "json_document.py",
    "is not among the sources any more": "resume.py",
    "has changed since it was begun": "resume.py",
    "rejected, more than {} {}": "pipeline.py",
    "not JSON:": "undecodable.py",
    # What was done about it is all there is to say.
    "the checkpoint cannot be written": "keeper.py",
    "cannot be removed": "keeper.py",
    "what is rejected from now on": "recorded.py",
    "rejects of earlier runs may be missing": "recorded.py",
    "the old one was read to its end": "watched.py",
    "something may be missing": "watched.py",
    "it is written again": "line_file.py",
    "no event was found in its": "pipeline.py",
    "what follows is saved nowhere": "pipeline.py",
    "could be saved nowhere": "pipeline.py",
    "empty, no event is in there": "pipeline.py",
    "asked again: at once": "pipeline.py",
    "cannot be trusted": "checkpoint.py",
    "was written by another version of mpimport": "checkpoint.py",
    "cannot be read: {}": "checkpoint.py",
    "is empty: how far an import came": "checkpoint.py",
    # Said to a program, by what is put in: what to do with a value of that kind.
    "the record has no JSON form": "mappings.py",
    # A bug of ours, told as one.
    "events went in, {} came out": "ledger.py",
    "the account does not balance": "pipeline.py",
}
"""Part of a message that does not say what to do -> the module it is in; above each group is why."""


@dataclass(frozen=True)
class Message:
    """One message of the source, and what is put into it."""

    module: str
    line: int
    text: str
    holes: tuple[str, ...] = ()


def find_messages() -> list[Message]:
    """Walk the source of the importer; the sandbox speaks with the words of the API's documentation."""
    return [
        message
        for path in sorted(SOURCE.rglob("*.py"))
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for argument in _texts(node, path.name)
        if (message := _message(path.name, argument)) is not None
    ]


def _texts(node: ast.AST, module: str) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name(id="Reason"), args=[_, text, *_]):
            yield text
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in CALLS:
            yield from arguments
        case ast.Call(func=ast.Attribute(attr="say"), args=[ast.Attribute(attr="WARNING" | "ERROR"), text]):
            yield text
        case ast.Call(func=ast.Attribute(value=ast.Name(id="_log"), attr="warning" | "error"), args=[text, *_]):
            yield text
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr="append"), args=[text]
        ) if name in ADDED_TO:
            yield text
        case ast.Yield(value=ast.expr() as text) if module in YIELDED_IN:
            yield text
        case ast.Return(value=ast.expr() as text) if module in {"file_words.py", "refusals.py"}:
            yield text


def _message(module: str, node: ast.expr) -> Message | None:
    """Give the literal text, if there is more of it than a name: `{}: {}` hands on what others have worded."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value if isinstance(part, ast.Constant) else "{}" for part in parts]
    if not all(isinstance(text, str) for text in texts) or isinstance(node, ast.FormattedValue):
        return None
    text = re.sub(r"%\w", "{}", "".join(map(str, texts)))
    holes = tuple(ast.unparse(part) for part in parts if isinstance(part, ast.FormattedValue))
    words = re.findall(r"[A-Za-z]{2,}", text)
    return Message(module, node.lineno, text, holes) if len(words) > 1 else None
