r"""One patch as the bytes of one HDF5 chunk: a Blosc2 frame followed by its Fletcher32 checksum.

HDF5 would compress a chunk itself, but only one at a time (it holds one lock for the whole library) and only with
filters that see a patch as a row of bytes. Here a patch is a row of *pixels* (``typesize`` = one RGB pixel): its
bytes are shuffled into planes, each byte of a plane is replaced by its difference to its neighbour
(``bytedelta``), and Zstandard packs the rest. Any HDF5 reader with the Blosc2 plugin reads the result, because a
Blosc2 frame carries its own filters. Measured by ``tools/bench/shards.py``.

A frame is cut into blocks of whole rows, so a crop is decoded from the rows it covers.
"""

from __future__ import annotations

import struct

import blosc2
import numpy as np
from numpy.typing import NDArray

HDF5_FILTER = 32026
"""Blosc2's number among the registered HDF5 filters."""

HDF5_FILTER_OPTIONS = (0, 0, 0, 0, 1, blosc2.Filter.BYTEDELTA.value, blosc2.Codec.ZSTD.value)
"""What a dataset header says of its chunks: level 1, bytedelta, Zstandard."""

_ROWS_PER_BLOCK = 64
_WORDS_PER_ROW = 4096
_RAMP = np.stack([np.ones(_WORDS_PER_ROW), np.arange(_WORDS_PER_ROW)], axis=1)

# Let other threads run while a chunk is compressed.
blosc2.set_releasegil(True)


def encode(patch: NDArray[np.generic]) -> bytes:
    """A patch, (H, W, 3) uint8 or uint16, as the bytes of an HDF5 chunk: lossless, the same every time."""
    pixel = 3 * patch.itemsize
    options = blosc2.CParams(
        codec=blosc2.Codec.ZSTD,
        clevel=1,
        typesize=pixel,
        blocksize=_ROWS_PER_BLOCK * patch.shape[1] * pixel,
        filters=[blosc2.Filter.SHUFFLE, blosc2.Filter.BYTEDELTA],
        filters_meta=[pixel, pixel],
        nthreads=1,
    )
    packed = blosc2.compress2(np.ascontiguousarray(patch).reshape(-1), cparams=options)
    frame = blosc2.SChunk(chunksize=patch.nbytes, cparams=options)
    frame.insert_chunk(0, packed)
    data: bytes = frame.to_cframe()
    return data + struct.pack("<I", fletcher32(data))


def decode_rows(
    chunk: bytes, row: int, n_rows: int, *, width: int, dtype: np.dtype[np.generic]
) -> NDArray[np.generic] | None:
    """Rows ``row`` to ``row + n_rows`` of a patch written by :func:`encode`.

    Returns:
        (n_rows, width, 3) of type ``dtype``; ``None`` for a sound Blosc2 chunk that another program wrote in another
        arrangement: HDF5 itself can read it.

    Raises:
        ValueError: The checksum does not fit, or the frame cannot be unpacked.
    """
    data = memoryview(chunk)[:-4]
    expected = struct.unpack("<I", chunk[-4:])[0]
    if fletcher32(data) != expected:
        raise ValueError("its Fletcher32 checksum does not fit")
    pixels = np.empty((n_rows, width, 3), dtype)
    try:
        frame = blosc2.schunk_from_cframe(data)
        if frame.typesize != 3 * dtype.itemsize:
            return None
        frame.get_slice(row * width, (row + n_rows) * width, out=pixels)
    except RuntimeError as error:
        raise ValueError(f"it cannot be unpacked ({error})") from error
    return pixels


def fletcher32(data: bytes | memoryview) -> int:
    r"""HDF5's Fletcher32 checksum.

    With the data as n big-endian 16-bit words w_i (an odd last byte counts as the high byte of a word):
    a = \sum w_i, b = \sum (n - i) w_i, both modulo 65535 (with 65535 in place of a sum that is a multiple of it
    and not zero); the checksum is b << 16 | a.

    Example:
        >>> hex(fletcher32(bytes([1, 2, 3])))
        '0x5040402'
    """
    # Modulo 65535, a byte-swapped word is 256 times the word, so the words may be read in little-endian order.
    n_words = len(data) // 2
    words = np.frombuffer(data, "<u2", n_words)
    whole = n_words - n_words % _WORDS_PER_ROW
    # float64 is exact here: 4096 * 4096 * 65535 < 2^53.
    sums = (words[:whole].reshape(-1, _WORDS_PER_ROW).astype(np.float64) @ _RAMP).astype(np.int64)
    rest = words[whole:].astype(np.int64)
    first = np.arange(len(sums), dtype=np.int64) * _WORDS_PER_ROW
    total = int(sums[:, 0].sum()) + int(rest.sum())
    moment = int((first * sums[:, 0] + sums[:, 1]).sum()) + int((rest * np.arange(whole, n_words)).sum())
    n = n_words + len(data) % 2
    a, b = 256 * total, 256 * (n * total - moment)
    if len(data) % 2:
        a += data[-1] << 8
        b += data[-1] << 8
    return _fold(b) << 16 | _fold(a)


def _fold(value: int) -> int:
    return value % 65535 or (65535 if value else 0)
