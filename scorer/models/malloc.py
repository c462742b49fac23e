"""Tell glibc's malloc to keep what it has: every frame needs the same large arrays again.

By default each of them is mapped from the kernel, filled with zeros page by page, and given back. Measured for eager torch on
2 cores at 640x360: 1.2 times as fast, the same as with the MALLOC_*_ environment variables, which must be set before the start.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache

# malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


@cache
def keep_memory() -> bool:
    """Make this process keep freed memory for its next arrays, once; False where malloc isn't glibc's."""
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (
        (_M_MMAP_MAX, 0),  # no array is mapped by itself; a higher M_MMAP_THRESHOLD is refused by older glibc
        (_M_TRIM_THRESHOLD, 2**31 - 1),  # bytes; the largest that fits an int
        (_M_TOP_PAD, 256 * 2**20),  # bytes to grow by, a few frames' worth
    )
    return all(mallopt(ctypes.c_int(key), ctypes.c_int(value)) == 1 for key, value in settings)
