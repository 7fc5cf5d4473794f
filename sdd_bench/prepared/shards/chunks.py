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

_FILTERS = (blosc2.Filter.SHUFFLE, blosc2.Filter.BYTEDELTA)
_ROWS_PER_BLOCK = 64
_WORDS_PER_ROW = 1024

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
        filters=list(_FILTERS),
        filters_meta=[pixel] * len(_FILTERS),
        # One Zstandard stream for the three planes of 8-bit pixels; the high and low bytes of 16-bit ones differ too
        # much to share one.
        splitmode=blosc2.SplitMode.NEVER_SPLIT if patch.itemsize == 1 else blosc2.SplitMode.ALWAYS_SPLIT,
        nthreads=1,
    )
    packed = blosc2.compress2(np.ascontiguousarray(patch).reshape(-1), cparams=options)
    frame = blosc2.SChunk(chunksize=patch.nbytes, cparams=options)
    frame.insert_chunk(0, packed)
    data: bytes = frame.to_cframe()
    return data + struct.pack("<I", fletcher32(data))


def decode(
    chunk: bytes, y: int, x: int, height: int, width: int, *, row: int, dtype: np.dtype[np.generic]
) -> NDArray[np.generic] | None:
    """A crop of a patch written by :func:`encode`; of the chunk, only the blocks it touches are unpacked.

    Args:
        chunk: The chunk's bytes.
        y: First row.
        x: First column.
        height: Rows.
        width: Columns.
        row: Pixels in a row of the patch.
        dtype: uint8 or uint16.

    Returns:
        (height, width, 3) of type ``dtype``; ``None`` for a sound chunk in another arrangement (by another program, or
        because it could not be compressed): HDF5 itself can read it.

    Raises:
        ValueError: The checksum does not fit, or the frame cannot be unpacked.
    """
    data = bytearray(memoryview(chunk)[:-4])
    if fletcher32(data) != struct.unpack("<I", chunk[-4:])[0]:
        raise ValueError("its Fletcher32 checksum does not fit")
    pixel = 3 * dtype.itemsize
    if not _leave_shuffled(data):
        return None
    try:
        frame = blosc2.schunk_from_cframe(data)
        rows = frame.blocksize // (row * pixel)
        if frame.typesize != pixel or rows * row * pixel != frame.blocksize:
            return None
        first = y - y % rows
        last = min(-(-(y + height) // rows) * rows, frame.nbytes // (row * pixel))
        planes = np.empty((last - first) * row * pixel, np.uint8)
        frame.get_slice(first * row, last * row, out=planes)
    except RuntimeError as error:
        raise ValueError(f"it cannot be unpacked ({error})") from error
    crop = np.empty((3, dtype.itemsize, height, width), np.uint8)
    for top in range(first, last, rows):
        block = planes[(top - first) * row * pixel : (top - first + rows) * row * pixel]
        block = block.reshape(3, dtype.itemsize, -1, row)
        a, b = max(y, top), min(y + height, top + block.shape[2])
        crop[:, :, a - y : b - y] = block[:, :, a - top : b - top, x : x + width]
    if dtype.itemsize == 1:
        return crop[:, 0].transpose(1, 2, 0)
    values = crop[:, 1].astype(np.uint16)
    values <<= 8
    values |= crop[:, 0]
    return values.transpose(1, 2, 0)


def _leave_shuffled(frame: bytearray) -> bool:
    """Take the shuffle out of the frame's filters, so that it unpacks to planes: undoing the shuffle takes longer than
    all the rest, and planes are what a network wants.

    Returns:
        Whether the frame has the filters of :func:`encode`, so that this could be done.
    """
    # Blosc2's frame and chunk formats: the frame's header length, then the chunk's flags and its filters.
    chunk = int.from_bytes(frame[11:15], "big")
    if len(frame) < chunk + 32:
        return False
    stored_raw, special = frame[chunk + 2] & 0x2, frame[chunk + 31] & 0x70
    codes = frame[chunk + 16 : chunk + 22]
    if stored_raw or special or bytes(codes).strip(b"\0") != bytes(filter_.value for filter_ in _FILTERS):
        return False
    frame[chunk + 16 + codes.index(blosc2.Filter.SHUFFLE.value)] = blosc2.Filter.NOFILTER.value
    return True


def fletcher32(data: bytes | bytearray) -> int:
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
    table = words[:whole].reshape(-1, _WORDS_PER_ROW)
    rows, columns = table.sum(axis=1, dtype=np.uint64), table.sum(axis=0, dtype=np.uint64)
    rest = words[whole:].astype(np.uint64)
    total = int(rows.sum()) + int(rest.sum())
    moment = _WORDS_PER_ROW * _moment(rows) + _moment(columns) + _moment(rest) + whole * int(rest.sum())
    n = n_words + len(data) % 2
    a, b = 256 * total, 256 * (n * total - moment)
    if len(data) % 2:
        a += data[-1] << 8
        b += data[-1] << 8
    return _fold(b) << 16 | _fold(a)


def _moment(values: NDArray[np.uint64]) -> int:
    return int((values * np.arange(len(values), dtype=np.uint64)).sum())


def _fold(value: int) -> int:
    return value % 65535 or (65535 if value else 0)
