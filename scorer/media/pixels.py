"""Arrays of pixels, as all steps hand them on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8 | np.uint16]
"""(H, W, 3) RGB, or (H, W) where it says so; full range; uint16 where the media have more than 8 bits."""

Frames = NDArray[np.uint8 | np.uint16]
"""(N, H, W, 3), RGB, full range; uint16 where the media have more than 8 bits."""
