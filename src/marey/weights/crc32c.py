"""CRC-32C (Castagnoli; RFC 3720, appendix B.4), as LevelDB's tables and TensorFlow's checkpoints use it.

The checksum of a concatenation follows from those of its parts, so a long one is cut into lanes that numpy takes
through the table side by side: 50 MB in well under a second, without a compiled package.
"""

from functools import cache

import numpy as np

POLYNOMIAL = 0x82F63B78  # reflected


def _table() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(POLYNOMIAL), values >> 1)
    return values


TABLE = _table()


def crc32c(data: bytes | memoryview) -> int:
    """The checksum as an unsigned 32-bit number."""
    values = np.frombuffer(data, np.uint8)
    step = max(64, 1 << (len(values).bit_length() // 2))
    lanes = len(values) // step
    crc = 0xFFFFFFFF
    if lanes > 1:
        rows = values[: lanes * step].reshape(lanes, step)
        state = np.zeros(lanes, np.uint32)
        for column in np.ascontiguousarray(rows.T):
            state = TABLE[(state ^ column) & 0xFF] ^ (state >> 8)
        shift = _shift(step)
        for lane in state.tolist():
            crc = _apply(shift, crc) ^ lane
        values = values[lanes * step :]
    table = TABLE.tolist()
    for byte in values.tolist():
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """As it is stored: rotated and shifted, so that a checksum of data that hold checksums stays strong (LevelDB)."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _shift(count: int) -> tuple[tuple[int, ...], ...]:
    """What `count` (a power of two) zero bytes do to a state: for each of its four bytes, a table of 256 words."""
    columns = [int(TABLE[(1 << bit) & 0xFF]) ^ ((1 << bit) >> 8) for bit in range(32)]  # one zero byte
    while count > 1:
        columns = [_times(columns, column) for column in columns]
        count //= 2
    return tuple(tuple(_times(columns, byte << (8 * place)) for byte in range(256)) for place in range(4))


def _times(columns: list[int], word: int) -> int:
    """Matrix times vector over the field of two elements."""
    result, bit = 0, 0
    while word:
        if word & 1:
            result ^= columns[bit]
        word, bit = word >> 1, bit + 1
    return result


def _apply(shift: tuple[tuple[int, ...], ...], word: int) -> int:
    first, second, third, fourth = shift
    return first[word & 0xFF] ^ second[(word >> 8) & 0xFF] ^ third[(word >> 16) & 0xFF] ^ fourth[(word >> 24) & 0xFF]
