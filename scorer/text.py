"""Strangers' words as text that may go out: to a terminal, a log, JSON or a page."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

# What moves a cursor, sets a title or a colour (ECMA-48, 5.4 and 5.6): control sequences, and control strings with their ends.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\\\|\x9c)"
)
_SPACES = "\t\n\v\f\r\x85\u2028\u2029"
# Emoji and some scripts are written with these two, which turn nothing around.
_JOINERS = "\u200c\u200d"

LONGEST = 2000
"""Characters of one text."""


def clean(text: str, longest: int = LONGEST) -> str:
    """`text` in one line, without what a terminal obeys or an eye doesn't see; cut off after `longest` characters.

    Escape sequences are taken out, ends of lines become spaces, and U+FFFD stands for every other control character, for what
    turns the direction of writing, and for halves of a character.
    """
    if not text.isprintable():
        text = "".join(map(_shown, _ESCAPES.sub("", text)))
    return text if len(text) <= longest else text[:longest] + "…"


def _shown(char: str) -> str:
    if char in _SPACES:
        return " "
    return "\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in _JOINERS else char


def is_clean(text: str) -> bool:
    """Whether nothing would be taken out of it."""
    return clean(text, len(text)) == text


def escaped(text: str) -> str:
    """`text` with JSON's escapes for what `clean` would take out."""
    if text.isprintable():
        return text
    return "".join(char if is_clean(char) else json.dumps(char)[1:-1] for char in text)


def closest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that whoever wrote `word` may have meant; '' where none is like it."""
    by_lower = {each.lower(): each for each in known}
    return next((by_lower[each] for each in get_close_matches(word.lower(), by_lower, 1, cutoff=0.7)), "")
