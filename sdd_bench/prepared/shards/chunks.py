r"""One patch as the bytes of one HDF5 chunk: a Blosc2 frame followed by its Fletcher32 checksum.

HDF5 can compress chunks itself, but only one at a time (one lock guards the whole library) and only with filters that
treat a patch as a row of bytes. Here a patch is a row of *pixels* (``typesize`` is one RGB pixel). Its bytes are
shuffled into planes, each byte of a plane is replaced by its difference from its neighbour (``bytedelta``), and
Zstandard compresses the result. Any HDF5 reader with the Blosc2 plugin can read it, because a frame names its own
filters. ``tools/bench/shards.py`` measures size and speed.

A frame is divided into blocks of whole rows, so that a crop is decoded from only those blocks that it touches.
"""

from __future__ import annotations

import struct

import blosc2
import numpy as np
from numpy.typing import NDArray

HDF5_FILTER = 32026
"""Blosc2's number among the registered HDF5 filters."""

HDF5_FILTER_OPTIONS = (0, 0, 0, 0, 1, blosc2.Filter.BYTEDELTA.value, blosc2.Codec.ZSTD.value)
"""Options in the header of a dataset: level 1, bytedelta, Zstandard."""

_FILTERS = (blosc2.Filter.SHUFFLE, blosc2.Filter.BYTEDELTA)
_ROWS_PER_BLOCK = 64
"""Rows of a patch per block: an eighth of 512, so a crop unpacks little beyond its own rows."""
_WORDS_PER_ROW = 1024
"""Words per row of the table by which Fletcher32 is summed."""

# Let other threads run while a chunk is compressed.
blosc2.set_releasegil(True)


def encode(patch: NDArray[np.generic]) -> bytes:
    """A patch as the bytes of an HDF5 chunk, without loss; the same patch always gives the same bytes.

    Args:
        patch: Pixels, (H, W, 3) uint8 or uint16.

    Example:
        >>> patch = np.arange(64 * 64 * 3, dtype=np.uint16).reshape(64, 64, 3)
        >>> crop = decode(encode(patch), 8, 16, 4, 2, row=64, dtype=patch.dtype)
        >>> bool((crop == patch[8:12, 16:18]).all())
        True
    """
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
    """A crop of a patch written by :func:`encode`; only the blocks that it touches are unpacked.

    Args:
        chunk: Bytes of the chunk.
        y: First row of the crop.
        x: First column of the crop.
        height: Number of rows.
        width: Number of columns.
        row: Number of pixels in a row of the patch.
        dtype: Type of the pixels, uint8 or uint16.

    Returns:
        The crop, (height, width, 3) of type ``dtype``. ``None`` for a sound chunk in another arrangement, because
        another program wrote it or it could not be compressed; HDF5 itself can read such a chunk.

    Raises:
        ValueError: The checksum does not fit, or the frame cannot be unpacked.

    Example:
        >>> chunk = encode(np.full((64, 64, 3), 9, np.uint8))
        >>> damaged = bytes([chunk[0] ^ 1]) + chunk[1:]
        >>> decode(damaged, 0, 0, 8, 8, row=64, dtype=np.dtype(np.uint8))
        Traceback (most recent call last):
        ValueError: its Fletcher32 checksum does not fit
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
    """Remove the shuffle from the filters that the frame names, so that it unpacks to planes.

    Undoing the shuffle takes longer than everything else, and networks need planes.

    Returns:
        Whether the shuffle was removed; it is not if the frame has other filters than those of :func:`encode`.
    """
    # Offsets of Blosc2's frame and chunk formats: the header length of the frame, then flags and filters of the chunk.
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

    The data are n big-endian 16-bit words w_0, ..., w_{n-1}; an odd last byte is the high byte of a word. Then
    a = \sum w_i and b = \sum (n - i) w_i, both modulo 65535, where a sum that is a positive multiple of 65535 gives
    65535 and not zero. The checksum is b << 16 | a.

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
