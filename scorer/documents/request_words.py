"""What is said to whoever wrote a request that can't be taken."""

from __future__ import annotations

import json
from collections.abc import Collection

from scorer.media.times import HOW
from scorer.text import closest
from scorer.validation import Fault

RIGHT = {
    "version": "write 1, or leave it out",
    "name": "write up to 40 letters, digits, '-' and '_', the first of them a letter or digit",
    "input": "write the path of a video, an image, or a folder with '/' at its end in the input store, of at most 900 characters",
    "styles": 'write a list of up to 32 styles, such as [{"source": "styles/night.jpg"}]',
    "source": "write an image's or a network's path in the input store, or a trained style's number without quotes",
    "weight": "write a number over 0, at most 1000",
    "at": HOW,
    "strengths": 'write a list such as [{"strength": 0.2, "at": 0}, {"strength": 1, "at": "0:10"}]',
    "model": "write the name of one that 'scorer models' lists",
    "package": "write the id that 'scorer publish' printed",
    "options": 'write up to 32 of the model\'s own, such as {"precision": "float32"}',
    "strength": "write a number from 0, the original, to 1, all style",
    "keep_colors": "write a number from 0, the style's colours, to 1, the original's",
    "style_size": "write the pixels of the painting's side, a whole number from 16 to 2048",
    "stroke_size": "write a number from 0.25, fine strokes, to 4, large ones",
    "mask": "write the path of an image or a video in the input store",
    "mask_feather": "write a whole number of pixels from 0 to 1000",
    "steady": 'write "off", "light" or "full"',
    "start": HOW,
    "end": HOW,
    "size": "write the pixels of the longer side, a whole number from 16 to 8192",
    "batch_size": "write a whole number from 1 to 256",
    "chunk_frames": "write a whole number from 1 to 100000",
    "container": 'write "mp4", "mkv" or "mov"',
    "image_format": 'write "jpg", "png", "webp" or "avif"',
    "sound": 'write "keep" or "drop"',
    "strict": "write true or false",
    "codec": 'write "h264", "hevc", "av1" or "prores", or leave it out',
    "quality": 'write "small", "good", "high" or "lossless"',
    "priority": "write a whole number from -100 to 100",
    "failure_threshold": "write a number from 0 to 1, such as 0.05",
}
"""What each field should be, for whoever wrote something else."""


def sentence(found: Fault, known: Collection[str]) -> str:
    """What is wrong with a request, whose fields are called as is `known`, and what would be right."""
    field = next((str(part) for part in reversed(found.path) if part in RIGHT), "")
    value = found.as_json[:80]
    if found.kind == "missing":
        return f"The request has no '{found.where}': {RIGHT[field]}."
    if found.kind == "extra_forbidden":
        near = closest(str(found.path[-1]), RIGHT)
        meant = f"did you mean '{near}'?" if near else f"the fields are {', '.join(known)}."
        return f"The request's {found.where} is {value}, and no request has such a field: {meant}"
    if not field:
        what = found.reason if isinstance(found.value, dict) else f"it is no JSON object, such as {json.dumps(_SMALLEST)}"
        return f"The request can't be taken: {what}.".replace("?.", "?")
    right = found.reason if found.kind == "value_error" else RIGHT[field]
    return f"The request's {found.where} is {value}: {right}."


_SMALLEST = {"name": "film", "input": "videos/film.mp4", "styles": [{"source": "styles/night.jpg"}]}
