"""When decoded pictures are shown, where they have no time stamps, twice the same, or some that go back."""

from __future__ import annotations

from array import array
from typing import Any

import av
from av.packet import Packet

_NONE = -(2**63)

_LONGEST = 4
"""Usual durations: a picture without a time stamp isn't believed to be shown for longer before the next."""


class Decoded:
    """The time stamps of decoded pictures, in the order in which the decoder gives them, which is that in which they are shown.

    A picture that can't be decoded stands among them with its packet's, unless it comes before or after all that can be.
    """

    def __init__(self) -> None:
        self._own, self._decoding, self._lengths = array("q"), array("q"), array("q")
        self._lost = list[int]()
        self._last = _NONE
        self._ordered = True

    def __len__(self) -> int:
        return len(self._own)

    def add(self, picture: av.VideoFrame) -> None:
        """Append one."""
        if self._own:
            self._own.extend(self._lost)
            self._decoding.extend(self._lost)
            self._lengths.extend([0] * len(self._lost))
        self._lost.clear()
        own = _NONE if picture.pts is None else picture.pts
        self._ordered = self._ordered and own > self._last
        self._last = own
        self._own.append(own)
        self._decoding.append(_NONE if picture.dts is None else picture.dts)
        self._lengths.append(picture.duration or 0)

    def add_lost(self, packet: Packet[Any] | None) -> None:
        """Append one that can't be decoded."""
        if packet is not None:
            self._lost.append(_NONE if packet.pts is None else packet.pts)

    def ordered(self) -> array[int] | None:
        """Their own stamps, if each picture has one, later than that of the picture before it."""
        return array("q", sorted(set(self._own) - {_NONE})) if self._ordered else None

    def guessed(self, usual: int, *, decoding_only: bool) -> array[int] | None:
        """When each is shown as far as can be told, as ffmpeg does; None where nothing can.

        A frame is shown for `usual` ticks, unless it says itself how long: films on a DVD are, for two and three fields in turn.
        `decoding_only` is for containers that know but when packets are decoded (AVI). Elsewhere pictures that come in another
        order than their time stamps had theirs from packets in the order of decoding: each has another one's.
        """
        if decoding_only:
            return ascending(self._following(self._decoding, usual), usual)
        if _NONE not in self._own and len(set(self._own)) == len(self._own):
            return array("q", sorted(self._own))
        return ascending(self._following(self._best(), usual), usual)

    def _best(self) -> array[int]:
        """After ffmpeg's libavcodec/decode.c (guess_correct_pts): own stamps, but others where those go back less often."""
        faulty_own = faulty_decoding = 0
        last_own = last_decoding = _NONE
        best = array("q")
        for own, decoding in zip(self._own, self._decoding, strict=True):
            if decoding != _NONE:
                faulty_decoding += decoding <= last_decoding
            last_decoding = own if decoding == _NONE else decoding
            if own != _NONE:
                faulty_own += own <= last_own
            last_own = decoding if own == _NONE else own
            trusted = own != _NONE and (decoding == _NONE or faulty_own <= faulty_decoding)
            best.append(own if trusted else decoding)
        return best

    def _following(self, stamps: array[int], usual: int) -> array[int]:
        """A picture without a stamp is shown after the one before it."""
        found, after = array("q"), 0
        for stamp, length in zip(stamps, self._lengths, strict=True):
            found.append(after if stamp == _NONE else stamp)
            after = found[-1] + (length if 0 < length < _LONGEST * usual else usual)
        return found


class LastLength:
    """How long the picture that is shown last says that it is shown.

    Where durations may come `from_nowhere` and one says that it is for far longer than up to the next packet, none is believed.
    """

    def __init__(self, *, from_nowhere: bool) -> None:
        self._doubted, self._believed = from_nowhere, True
        self._shown, self._ticks = _NONE, 0
        self._due: tuple[int, int] | None = None
        """When the packet before was decoded, and how long it says to last."""

    def take(self, packet: Packet[Any]) -> None:
        """The next of the packets that are shown, in the order of decoding."""
        told, decoded = packet.duration or 0, packet.dts
        if packet.pts is not None and packet.pts >= self._shown:
            self._shown, self._ticks = packet.pts, told
        if self._doubted and self._due is not None and decoded is not None:
            before, ticks = self._due
            self._believed = self._believed and (decoded <= before or 0 <= ticks <= 2 * (decoded - before))
        self._due = None if decoded is None else (decoded, told)

    @property
    def ticks(self) -> int:
        """0 where it isn't known."""
        return self._ticks if self._believed else 0


def ascending(stamps: array[int], usual: int) -> array[int] | None:
    """The stamps, where those that don't ascend are spread evenly up to the next that does; None where there is no room for that.

    `usual` is how long a frame is shown.
    """
    found, at = array("q"), 0
    while at < len(stamps):
        after = at + 1
        while after < len(stamps) and stamps[after] <= stamps[at]:
            after += 1
        count = after - at
        room = stamps[after] - stamps[at] if after < len(stamps) else count * max(usual, 1)
        if room < count:
            return None
        found.extend(stamps[at] + number * room // count for number in range(count))
        at = after
    return found
