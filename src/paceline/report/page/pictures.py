"""Rows of data that look like images, as PNG inside of the page."""

import base64
import struct
import zlib
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_LEAST, _MOST = 6, 256  # pixels of a side
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by number of channels, as PNG calls them


def look_like_images(shape: tuple[int, ...]) -> bool:
    """Whether a shape is (height, width) or (height, width, 1, 3 or 4) of 6 to 256 pixels."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in _COLOUR_TYPES):
        return False
    return all(_LEAST <= side <= _MOST for side in shape[:2])


def pictures(rows: Array) -> list[str]:
    """Images as ``data:`` URLs of PNG files, all on the same scale from dark to light."""
    finite = np.nan_to_num(np.asarray(rows, np.float64))
    low, high = float(finite.min()), float(finite.max())
    pixels = np.round(255 * (finite - low) / (high - low or 1.0)).astype(np.uint8)
    return [
        f"data:image/png;base64,{base64.b64encode(_png(picture)).decode()}" for picture in pixels
    ]


def _png(pixels: Array) -> bytes:
    """A PNG file (ISO 15948) of uint8 pixels (height, width) or (height, width, channels)."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    channels = lines.shape[1] // width
    header = struct.pack(">2I5B", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines), 9)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
