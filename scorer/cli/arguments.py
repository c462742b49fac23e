"""What a person typed for a file or a number: where it can't be meant so, what to type instead."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from scorer.errors import InputError, MissingError, RequestError, StyleError
from scorer.media.times import is_time
from scorer.models import STYLE_KINDS, StyleKind
from scorer.text import closest

_IMAGES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic")
_NETWORKS = (".pth", ".pt", ".safetensors", ".ckpt", ".onnx", ".t7", ".model")
_HEIGHTS = {"2k": 2048, "4k": 3840, "8k": 7680}

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there under the result's name, be it another job's or anything else.")
]


def check_input(path: Path) -> None:
    """Raise MissingError where there is no such file or folder, with what may have been meant; InputError for a pipe."""
    if why := _no_file(path):
        raise InputError(f"'{_shown(path)}' is {why}.")
    if not _is_there(path):
        raise MissingError(
            f"There is no '{_shown(path)}': {_meant(path, 'INPUT is one video, one folder of images, or one image')}."
        )


def path_below(root: Path, source: Path) -> str:
    """The path of `source` in the store that is `root`. Raises RequestError for another drive, and for bytes that are no text."""
    whole = source.resolve()
    try:
        str(whole).encode()
    except UnicodeEncodeError:
        raise RequestError(f"'{whole}' has bytes in it that are no text (UTF-8): rename that file or folder.") from None
    if not whole.is_relative_to(root):
        raise RequestError(f"'{source}' is on another drive than the input: put both on one.")
    path = whole.relative_to(root).as_posix()
    return path + "/" if source.is_dir() else path


def check_style(text: str, kind: StyleKind, model: str, *, here: bool = True) -> None:
    """Raise MissingError, RequestError or StyleError where `text` isn't what a model takes that has styles of that kind.

    A file that isn't `here`, on this machine, is known by its name alone.
    """
    path = Path(text)
    if kind == "number":
        if not re.fullmatch("[0-9]+", text):
            other = "for an image as the style choose --model adaptive" if not _is_number(text) else "they are whole numbers"
            raise RequestError(
                f"Style '{text}' is no number of a trained style, which is what model '{model}' takes: `scorer models` lists "
                f"them; {other}."
            )
        return
    if kind == "none":
        return  # the request is refused for having one
    what = STYLE_KINDS[kind]
    if not text:
        raise RequestError(f"The style is empty: name {what}.")
    if here and (why := _no_file(path)):
        raise StyleError(f"The style '{_shown(path)}' is {why}.")
    if here and not _is_there(path):
        numbers = "numbers are the styles of --model painted; " if _is_number(text) else ""
        raise MissingError(f"There is no '{_shown(path)}', the style: {numbers}{_meant(path, f'name {what}')}.")
    if here and path.is_dir():
        raise StyleError(f"Style '{text}' is a folder: name {what} in it; several --style are mixed.")
    ending = path.suffix.lower()
    if kind == "image" and ending in _NETWORKS:
        raise StyleError(f"Style '{text}' is a network's file, and model '{model}' takes images: choose --model feedforward.")
    if kind == "network" and ending in _IMAGES:
        raise StyleError(
            f"Style '{text}' is an image, and model '{model}' takes a trained network's file (.pth, .safetensors or .onnx): "
            "choose --model adaptive for an image."
        )


def check_mask(text: str, *, here: bool = True) -> None:
    """Raise MissingError or InputError where `text` names no file that could be a mask; one that isn't `here` isn't looked at."""
    path = Path(text)
    if not text:
        raise InputError("The mask is empty: name an image or a video.")
    if here and (why := _no_file(path)):
        raise InputError(f"The mask '{_shown(path)}' is {why}.")
    if here and not _is_there(path):
        raise MissingError(f"There is no '{_shown(path)}', the mask: {_meant(path, 'name an image or a video')}.")
    if here and path.is_dir():
        raise InputError(f"The mask '{text}' is a folder: name an image or a video.")


def _no_file(path: Path) -> str:
    """What `path` is, where that can be neither read to an end nor looked into; '' where it can be, or isn't there."""
    with suppress(OSError, ValueError):
        if path.is_symlink() and not _is_there(path):
            return "a link that leads nowhere: name the file itself"
        if path.exists() and not path.is_file() and not path.is_dir():
            return "a pipe or a device: name a file"
    return ""


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # which is said by whoever opens it
        return True
    except (OSError, ValueError):  # no file can have such a name
        return False


def _meant(path: Path, otherwise: str) -> str:
    """What may have been meant by a name that isn't there."""
    text, here = _shown(path), path.absolute().parent
    if text == "-":
        return f"standard input is the INPUT of `scorer run` alone; {otherwise}, or write './-' for a file"
    if found := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", text):
        return "write its plain path" if found[1] == "file" else "addresses aren't fetched; download it, and name the file"
    if text.startswith("~"):
        return f"the shell leaves a '~' in quotes as it is; write '{path.expanduser()}'"
    if re.match(r"[A-Za-z]:[\\/]", text) or "\\" in text:
        there = re.sub(r"^([A-Za-z]):", lambda drive: f"/mnt/{drive[1].lower()}", text).replace("\\", "/")
        return f"paths have no drives and backslashes here; where Linux runs on Windows it is '{there}'"
    if re.search(r"[*?\[]", text):
        return f"no file's name is like that in '{here}', and {otherwise}"
    near = ""
    with suppress(OSError):
        near = closest(path.name, [each.name for each in here.iterdir()])
    there = f"look into '{here}'" if here.is_dir() else f"there is no folder '{here}' either"
    return f"it may be '{path.with_name(near)}'" if near else there


def _shown(path: Path) -> str:
    """As it was typed: a Path takes one of the slashes of an address away."""
    text = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]+:)/(?!/)", r"\1//", str(path))
    return re.sub("^file://(?!/)", "file:///", text)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)?", text))


# Each of these is a parser of typer's, which gives them defaults, too, as they are.


def a_path(given: object) -> Path:
    """A path that isn't empty, which would be this folder."""
    text = str(given)
    if not text.strip():
        raise typer.BadParameter("it is empty: name a file, or '.' for this folder")
    path = Path(text)
    return path if text == "-" or str(path) != "-" else path.absolute()  # './-' is a file of that name


def a_place(given: object) -> Path:
    """A path to write to: what the shell or another system would take for something else becomes no folder of that name."""
    path = a_path(given)
    if str(path) == "-":
        raise typer.BadParameter("'-' is standard output, which the result of `scorer run` alone goes to; write './-' for a file")
    if re.match(r"~[^/\\]*[/\\]|~$|[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) or (
        os.name != "nt" and re.match(r"[A-Za-z]:\\", str(path))
    ):
        raise typer.BadParameter(f"'{_shown(path)}' is no place on this machine: {_no_place(path)}")
    return path


def a_place_or_pipe(given: object) -> Path:
    """A path to write to, or '-'."""
    return Path("-") if str(given) == "-" else a_place(given)


def _no_place(path: Path) -> str:
    text = str(path)
    if text.startswith("~"):
        with suppress(RuntimeError):  # there is no such user
            return f"the shell leaves a '~' in quotes as it is; write '{path.expanduser()}'"
    return "write a plain path, such as 'results/film.mp4'"


def pixels(given: object) -> int:
    """A side of a frame."""
    text = str(given)
    if re.fullmatch("[+-]?[0-9]{1,9}", text):
        return int(text)
    such_as = 1280
    if thousands := re.fullmatch(r"([0-9]{1,2})[.,' ]([0-9]{3})", text):
        such_as = int(thousands[1] + thousands[2])
    elif sides := re.fullmatch(r"([0-9]{1,5})[xX*,: ]+([0-9]{1,5})", text):
        such_as = max(int(sides[1]), int(sides[2]))
    elif height := re.fullmatch(r"([0-9]{1,5})[pi]", text):
        such_as = round(int(height[1]) * 16 / 9)
    elif width := re.fullmatch(r"([0-9]{1,5}) ?(px|pixels?)", text):
        such_as = int(width[1])
    raise typer.BadParameter(
        f"'{text}' is no number: write how many pixels the longer side has, such as {_HEIGHTS.get(text.lower(), such_as)}"
    )


def whole(low: int | None = None, high: int | None = None) -> Callable[[object], int]:
    """A whole number from `low` to `high`."""

    def parse(given: object) -> int:
        text = str(given)
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
            raise typer.BadParameter(f"'{text}' is no whole number: write one{_range(low, high)}")
        _check(int(text), low, high)
        return int(text)

    return parse


def number(low: float | None = None, high: float | None = None) -> Callable[[object], float]:
    """A number from `low` to `high`."""

    def parse(given: object) -> float:
        text = str(given)
        try:
            value = float(text)
        except ValueError:
            such_as = _as_number(text)
            raise typer.BadParameter(f"'{text}' is no number: write one{_range(low, high)}, such as {such_as:g}") from None
        if not math.isfinite(value):
            raise typer.BadParameter(f"'{text}' is no finite number: write one{_range(low, high)}")
        _check(value, low, high)
        return value

    return parse


def a_strength(given: object) -> str:
    """A strength, or one at a time: 0.5@10s. It is text as it is given, whose number and time hold."""
    value, at, time = str(given).partition("@")
    if at and not is_time(time):
        raise typer.BadParameter(f"'{time}' is no time: write 10s or 0:10, as in {value}@10s")
    number()(value)
    return str(given)


def _as_number(text: str) -> float:
    """What '50%' and '0,5' mean."""
    found = re.fullmatch(r"([0-9]{1,9})([.,][0-9]{1,9})?( ?%)?", text.strip())
    if found is None:
        return 0.5
    value = float(found[1] + (found[2] or "").replace(",", "."))
    return value / 100 if found[3] else value


def _check(value: float, low: float | None, high: float | None) -> None:
    if (low is not None and value < low) or (high is not None and value > high):
        raise typer.BadParameter(f"{value:g} is out of range: write a number{_range(low, high)}")


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f" from {low:g} to {high:g}" if high is not None else f" of {low:g} or more"
