"""Every kind of video that people have, and what becomes of it: `python -m tests.cases` makes a table of all.

A new kind is a function in one of the modules that are named here.
"""

from tests.cases import kept, times  # noqa: F401  # their cases are added as they are loaded
from tests.cases.cases import VIDEOS, VideoCase

__all__ = ["VIDEOS", "VideoCase"]
