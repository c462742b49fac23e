"""How pages are made: Jinja's templates, in which every word is cleaned and escaped, and one script that alone may run."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from scorer.report import text
from scorer.text import clean

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST = 400
"""Characters of a text on a page."""
LONGER = 2000
"""Characters of an error, a command, a note."""


def page(name: str, *, script: bool = True, **content: object) -> str:
    """The page that the template NAME.html makes of `content`, with the script NAME.js.

    The page's Content-Security-Policy names the script by its hash: no other runs, not even one that a stranger's name would
    smuggle in.
    """
    made = _environment()
    if script:
        own = made.get_template(f"{name}.js").render()
        content["digest"] = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    return made.get_template(f"{name}.html").render(content)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # most commands make no page

    made = Environment(
        loader=PackageLoader("scorer.report"), autoescape=True, finalize=_clean, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "counted": text.counted, "data": _data, "duration": text.duration, "jpeg": _jpeg, "long": _long, "of": text.percent,
        "share": text.share, "size": text.size, "uncut": escape,
    }  # fmt: skip
    return made


def _clean(value: Any) -> Any:
    return value if hasattr(value, "__html__") else clean(str(value), LONGEST)


def _long(words: str) -> Markup:
    return escape(clean(words, LONGER))


def _data(value: object) -> Markup:
    """JSON as an attribute's value, for the page's script."""
    return escape(json.dumps(value, separators=(",", ":")))


def _jpeg(picture: bytes) -> Markup:
    return escape(f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}")
