"""Convolutions over phases: a 2x2 square of pixels as four times the channels at half the size; numpy only.

Channel `phase * C + c` is channel c of the pixel at row 2i + phase // 2, column 2j + phase % 2. Processors and GPUs compute
convolutions in blocks of channels, so one to or from 3 or 8 channels wastes most of its time; over phases it has 12 or 32. The
result is the same.
"""

from __future__ import annotations

import numpy as np

from scorer.models.weights import Array

PHASES = 4
NARROW = 16
"""Output channels below which the first convolution gains by it."""


def to_phases(kernel: Array) -> Array:
    """A kernel (O, I, K, K) of stride 1 as one (4O, I, K+1, K+1) of stride 2."""
    out, into, size, _ = kernel.shape
    wide = np.zeros((2, 2, out, into, size + 1, size + 1), np.float32)
    for row in range(2):
        for column in range(2):
            wide[row, column, :, :, row : row + size, column : column + size] = kernel
    return wide.reshape(PHASES * out, into, size + 1, size + 1)


def between_phases(kernel: Array) -> Array:
    """A kernel (O, I, K, K) of stride 1 as one (4O, 4I, (K+1)/2, (K+1)/2) that reads phases and makes them; (K-1)/2 is even."""
    wide = to_phases(kernel)
    out, into, size, _ = wide.shape
    split = wide.reshape(out, into, size // 2, 2, size // 2, 2).transpose(0, 3, 5, 1, 2, 4)
    return np.ascontiguousarray(split.reshape(out, PHASES * into, size // 2, size // 2))


def from_phases(kernel: Array) -> Array:
    """A kernel (O, I, 3, 3) of stride 2 as one (O, 4I, 2, 2) of stride 1 that reads phases."""
    out, into, _, _ = kernel.shape
    wide = np.zeros((out, 2, 2, into, 2, 2), np.float32)
    halved = ((0, 1), (1, 0), (1, 1))  # rows 2i-1, 2i, 2i+1 as (row of the kernel: i-1 or i, phase)
    for y, (row, row_phase) in enumerate(halved):
        for x, (column, column_phase) in enumerate(halved):
            wide[:, row_phase, column_phase, :, row, column] = kernel[:, :, y, x]
    return wide.reshape(out, PHASES * into, 2, 2)


def doubled_to_phases(kernel: Array) -> Array:
    """A kernel (O, I, 3, 3) that reads a doubled image as one (4O, I, 3, 3) that reads the image."""
    out, into, _, _ = kernel.shape
    wide = np.zeros((2, 2, out, into, 3, 3), np.float32)
    halved = ((0, 1, 1), (1, 1, 2))  # by phase: rows -1, 0, 1 of the doubled image as rows of the image
    for row in range(2):
        for column in range(2):
            for y in range(3):
                for x in range(3):
                    wide[row, column, :, :, halved[row][y], halved[column][x]] += kernel[:, :, y, x]
    return wide.reshape(PHASES * out, into, 3, 3)
