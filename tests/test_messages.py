"""Every message keeps the rules: one line, plain words, where it is, what to do next, and never a secret."""

from __future__ import annotations

import re

import pytest
from messages import TELLS_ONLY, Message, find_messages

MESSAGES = find_messages()

OPTION = re.compile(r"--[a-z]|\bMP_[A-Z]|\bHTTPS?_PROXY\b")
QUESTION = re.compile(r"\?")  # "is it the right one?" is something to look at
ASKS = re.compile(
    r"\b(add|ask|begin|check|choose|close|cut|divide|double|drop|export|flatten|get|give|import|keep|leave|look|make|"
    r"mend|move|name|put|remove|rename|run|save|send|set|split|use|wait|write|must|takes?|at most|or more|no limit)\b"
)
LIMITS = re.compile(r"\d to \{\}|more than 0|there (are|is)|one of \{\}|or \{\}$")  # a rule that the value breaks
JARGON = re.compile(
    r"\b(exception|errno|traceback|null pointer|NoneType|parse[rd]?|parsing|decod(e|er|ing)|deserial\w+|malformed|"
    r"invalid|illegal|fatal|unexpected|oops|sorry|please|payload|regex|whitespace)\b",
    re.IGNORECASE,
)
SECRETS = re.compile(r"reveal|password|secret\b(?!_file)|\btoken\b")


def words(message: Message) -> str:
    return f"{message.module}:{message.line}: {message.text}"


def told(rule: str, broken: list[Message]) -> str:
    """Word a failure: the rule, and the messages that break it."""
    return "\n".join([rule, *map(words, broken)])


def test_they_are_found() -> None:
    modules = {message.module for message in MESSAGES}

    assert len(MESSAGES) > 150
    assert {"cli.py", "credentials.py", "validate.py", "sources.py", "pipeline.py", "settings_check.py"} <= modules


def test_each_says_what_to_do_next() -> None:
    helpful = (OPTION, QUESTION, ASKS, LIMITS)
    silent = [m for m in MESSAGES if not any(rule.search(m.text) for rule in helpful)]
    silent = [m for m in silent if not _tells_only(m) and not _ends_with_advice(m)]

    assert silent == [], told("say what to do next, or add it to TELLS_ONLY where there is nothing to do:", silent)


def test_each_says_where() -> None:
    """Something is put in (a file, a host, a value), or what it is about is named."""
    about = re.compile(
        r"\b(event|record|row|text|array|object|document|header|project|secret|token|name|address|commands|senders)",
        re.IGNORECASE,
    )
    nowhere = [m for m in MESSAGES if not (m.holes or OPTION.search(m.text) or about.search(m.text) or _tells_only(m))]

    assert nowhere == [], told("name the file, the option, the host or the field:", nowhere)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("one line, without white space around it", re.compile(r"\n|^\s|\s$|  ")),
        ("no full stop at the end, and no exclamation mark", re.compile(r"(?<!Nothing was sent)\.$|!")),
        ("no capital at the start but of a name or an abbreviation", re.compile(r"^(?!Mixpanel|JSON|TLS)[A-Z]")),
        ("plain words", JARGON),
    ],
)
def test_each_is_written_alike(rule: str, broken: re.Pattern[str]) -> None:
    unlike = [message for message in MESSAGES if broken.search(message.text)]

    assert unlike == [], told(rule, unlike)


def test_no_secret_is_put_in() -> None:
    telling = [message for message in MESSAGES if any(SECRETS.search(hole) for hole in message.holes)]

    assert telling == [], told("a secret would be shown:", telling)


def test_what_only_tells_is_still_there() -> None:
    gone = {
        part for part, module in TELLS_ONLY.items() if not any(m.module == module and part in m.text for m in MESSAGES)
    }

    assert gone == set()


def _tells_only(message: Message) -> bool:
    return any(message.module == module and part in message.text for part, module in TELLS_ONLY.items())


def _ends_with_advice(message: Message) -> bool:
    return message.text.endswith("{}") and re.search("mend|advice|hint|instead", message.holes[-1]) is not None
