"""Writes png_files.h: one small PNG of each colour type and depth, made by hand with zlib, and what
it shows. Run it by hand:

    python3 tests/golden/make_png.py > tests/golden/png_files.h
"""

import struct
import zlib


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(width, height, depth, colour, rows, extra=b""):
    body = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + extra +
            chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


gamma = chunk(b"gAMA", struct.pack(">I", 100000))
palette = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
cases = [
    ("grey1", png(3, 2, 1, 0, [b"\xa0", b"\x40"]), 1, [255, 0, 255, 0, 255, 0]),
    ("grey2", png(3, 2, 2, 0, [b"\x1b", b"\xe4"]), 1, [0, 85, 170, 255, 170, 85]),
    ("grey4", png(3, 2, 4, 0, [b"\x0f\x10", b"\x78\xf0"]), 1, [0, 255, 17, 119, 136, 255]),
    ("grey8", png(3, 2, 8, 0, [b"\0\1\2", b"\xff\x80\x7f"]), 1, [0, 1, 2, 255, 128, 127]),
    ("grey8_gamma", png(3, 2, 8, 0, [b"\0\1\2", b"\xff\x80\x7f"], gamma), 1,
     [0, 1, 2, 255, 128, 127]),
    ("grey16", png(3, 2, 16, 0, [b"\0\0\1\1\2\2", b"\xff\xff\x80\x80\x7f\x7f"]), 1,
     [0, 1, 2, 255, 128, 127]),
    ("grey_alpha", png(2, 1, 8, 4, [bytes([200, 255, 100, 0])]), 1, [200, 0]),
    ("rgb8", png(2, 1, 8, 2, [bytes([1, 2, 3, 4, 5, 6])]), 3, [1, 2, 3, 4, 5, 6]),
    ("rgb16", png(1, 1, 16, 2, [bytes([1, 1, 2, 2, 255, 255])]), 3, [1, 2, 255]),
    ("rgba", png(2, 1, 8, 6, [bytes([1, 2, 3, 255, 200, 100, 50, 51])]), 4,
     [1, 2, 3, 255, 200, 100, 50, 51]),
    ("palette1", png(2, 1, 1, 3, [b"\x40"], palette), 3, [10, 20, 30, 40, 50, 60]),
    ("palette_alpha", png(2, 1, 8, 3, [b"\0\1"], palette + chunk(b"tRNS", bytes([7]))), 4,
     [10, 20, 30, 7, 40, 50, 60, 255]),
]
print("/* png_files.h - written by make_png.py; do not edit. */")
for name, data, _, shown in cases:
    for kind, values in (("file", data), ("shown", shown)):
        print(f"static const unsigned char {kind}_{name}[] = {{")
        values = list(values)
        for i in range(0, len(values), 24):
            print("    " + ", ".join(str(b) for b in values[i:i + 24]) + ",")
        print("};")
print("static const struct golden_png {\n    const char *name;\n    unsigned channels;\n"
      "    const unsigned char *file;\n    size_t size;\n    const unsigned char *shown;\n"
      "    size_t bytes;\n} golden_pngs[] = {")
for name, _, channels, _ in cases:
    print(f'    {{"{name}", {channels}, file_{name}, sizeof file_{name}, shown_{name}, '
          f"sizeof shown_{name}}},")
print("};")
