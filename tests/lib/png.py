"""Reads a PNG as far as tests need it: its size, and the colour of a pixel."""
import struct
import zlib


def chunks(data):
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + length]
        at += 12 + length


def undo(kind, line, above, width):
    """One line of bytes without its filter; `width` bytes are a pixel."""
    for i in range(len(line)):
        left, up, corner = (line[i - width] if i >= width else 0), above[i], (above[i - width] if i >= width else 0)
        if kind == 4:
            guess = left + up - corner
            up = min((left, up, corner), key=lambda v: abs(guess - v))
        line[i] = (line[i] + (0, left, up, (left + up) // 2, up)[kind]) & 255
    return line


class Png:
    def __init__(self, data):
        assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:20]
        parts = list(chunks(data))
        self.width, self.height, depth, color = struct.unpack(">IIBB", parts[0][1][:10])
        assert depth == 8 and color in (2, 6)
        self.bytes = 3 if color == 2 else 4
        self.raw = zlib.decompress(b"".join(part for kind, part in parts if kind == b"IDAT"))

    def pixel(self, x, y):
        """(red, green, blue)"""
        length, line = self.width * self.bytes, bytearray(self.width * self.bytes)
        for row in range(y + 1):
            at = row * (length + 1)
            line = undo(self.raw[at], bytearray(self.raw[at + 1:at + 1 + length]), line, self.bytes)
        return tuple(line[x * self.bytes:x * self.bytes + 3])
