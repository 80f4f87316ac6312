#!/usr/bin/env python3
"""Writes the seeds of fuzz/corpus: small files of each format, right ones and such as a reader may
stumble over. Run it by hand from the project's root; crashers that were found stand beside them and
are left alone:

    python3 fuzz/make_corpus.py
"""
import gzip
import io
import json
import os
import struct
import zipfile
import zlib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(topic, name, data):
    path = os.path.join(FOLDER, topic, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def packed(data):
    return gzip.compress(data if isinstance(data, bytes) else data.encode(), mtime=0)


# ------------------------------------------------------------------ CSV

put("csv", "plain", "a,b\n1,2\n3,4\n")
put("csv", "no-header", "1,2.5e-3\n-4,+.5\n")
put("csv", "quotes", '"a ""x""",b\r\n"1","2"\r\n" 3 ",\r\n')
put("csv", "quoted-lines", '"a\nb",c\n1,2\n"3\n",4\n')
put("csv", "semicolons", "a;b;c\n1;NA;x\n2;?;y\n3;nan;1\n")
put("csv", "tabs", "1\ta\t1e400\n2\tb\t-1e-400\n")
put("csv", "bom", b"\xef\xbb\xbf1,2\n3,4")
put("csv", "open-quote", '1,2\n"3,4\n')
put("csv", "ragged", "1,2\n3\n4,5,6\n")
put("csv", "nul", b"a,b\n1,\0\n")
put("csv", "gzip", packed("1,a,2\n2,b,3\n1,c,4\n"))
put("csv", "digits", "123456789012345678901234567890.5e-310,0.1e1,1e+308\n4.9e-324,1,9007199254740993\n")
put("csv", "blank", "\n\n , \n \n1,2\n\n")

# ------------------------------------------------------------------ NPY, NPZ


def npy(descr, shape, values, fortran=False, version=1, header=None):
    words = header or "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)
    words += " " * (-(len(words) + 11) % 16) + "\n"
    size = struct.pack("<H" if version == 1 else "<I", len(words))
    return b"\x93NUMPY" + bytes([version, 0]) + size + words.encode() + values


doubles = struct.pack("<6d", 1, 2, 3, 4, 5, 6)
put("npy", "f8", npy("<f8", (3, 2), doubles))
put("npy", "f8-fortran", npy("<f8", (3, 2), doubles, True))
put("npy", "f8-swapped", npy(">f8", (3, 2), struct.pack(">6d", 1, 2, 3, 4, 5, 6)))
put("npy", "u1-picture", npy("|u1", (2, 2, 3), bytes(range(12)), version=2))
put("npy", "u1-fortran-picture", npy("|u1", (2, 2, 2, 3), bytes(range(24)), True))
put("npy", "f2", npy("<f2", (4,), struct.pack("<4e", 1, -2, float("inf"), 6e-8)))
put("npy", "i8", npy("<i8", "(2L, 2L)", struct.pack("<4q", 1, -2, 1 << 62, 4), version=3))
put("npy", "records", npy("", "", doubles, header="{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (6,), }"))
put("npy", "huge", npy("<f8", (4294967296, 4294967296), doubles))
put("npy", "zero-axis", npy("<f8", (0, 4294967296), b""))


def zipped(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name + ".npy"), data, method)
    return out.getvalue()


table, label = npy("<f8", (3, 2), doubles), npy("|u1", (3,), b"\0\1\0")
put("npz", "deflated", zipped([("X", table), ("y", label)]))
put("npz", "stored", zipped([("X", table), ("y", label)], zipfile.ZIP_STORED))
put("npz", "one", zipped([("data", npy("<f4", (2, 2), bytes(16)))]))
put("npz", "no-array", zipped([("x", b"not an array")]))
bad = bytearray(zipped([("X", table)]))
bad[bad.index(b"PK\1\2") + 24:bad.index(b"PK\1\2") + 28] = struct.pack("<I", 0x7fffffff)
put("npz", "claims-much", bytes(bad))


def overlapping(count):
    """Many members of the directory that are one and the same deflated array."""
    data = npy("|u1", (60000,), bytes(60000))
    body = zlib.compress(data, 9)[2:-4]
    names = ["%04d.npy" % i for i in range(count)]
    head = (8, 0, 33, zlib.crc32(data), len(body), len(data), 8)
    out = struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, 0, *head, 0) + names[0].encode() + body
    start = len(out)
    for name in names:
        out += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 20, 20, 0, *head, 0, 0, 0, 0, 0, 0)
        out += name.encode()
    return out + struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, count, count, len(out) - start, start, 0)


put("npz", "overlapping", overlapping(40))

# ------------------------------------------------------------------ IDX

put("idx", "u1", b"\0\0\x08\3" + struct.pack(">3I", 2, 2, 2) + bytes(range(8)))
put("idx", "labels", b"\0\0\x08\1" + struct.pack(">I", 5) + bytes(range(5)))
put("idx", "f8", b"\0\0\x0e\2" + struct.pack(">2I2d", 1, 2, 1.5, -2))
put("idx", "i2", b"\0\0\x0b\2" + struct.pack(">2I4h", 2, 2, 1, -2, 3, 4))
put("idx", "gzip", packed(b"\0\0\x08\2" + struct.pack(">2I", 3, 1) + bytes(3)))
put("idx", "overflow", b"\0\0\x0e\4" + b"\xff" * 16)
put("idx", "no-rows", b"\0\0\x08\2" + struct.pack(">2I", 0, 0xffffffff))

# ------------------------------------------------------------------ gzip

put("gzip", "plain", "no gzip at all")
put("gzip", "one", packed("hello, " * 20))
put("gzip", "two-members", packed("first") + packed("second"))
put("gzip", "empty-member", packed(""))
put("gzip", "garbage-behind", packed("x") + b"garbage")
put("gzip", "cut", packed("hello" * 50)[:-6])
put("gzip", "bomb", packed(bytes(1 << 20)))
lie = bytearray(packed("small"))
lie[-4:] = b"\xff\xff\xff\xff"
put("gzip", "claims-much", bytes(lie))
put("gzip", "name", b"\x1f\x8b\x08\x08\0\0\0\0\0\3name\0" + packed("named")[10:])

# ------------------------------------------------------------------ PNG


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b"", interlace=0):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra +
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9)) + chunk(b"IEND", b""))


palette = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
put("png", "grey1", png(9, 2, 1, 0, [b"\xa0\x80", b"\x40\0"]))
put("png", "grey8", png(3, 2, 8, 0, [b"\0\1\2", b"\xff\x80\x7f"]))
put("png", "mask8x8", png(8, 8, 8, 0, [b"\0\xff" * 4] * 8))
put("png", "grey16", png(2, 1, 16, 0, [b"\0\0\1\1"]))
put("png", "grey-alpha", png(2, 1, 8, 4, [bytes([200, 255, 100, 0])]))
put("png", "rgb", png(2, 1, 8, 2, [bytes([1, 2, 3, 4, 5, 6])]))
put("png", "rgba", png(2, 1, 8, 6, [bytes([1, 2, 3, 255, 200, 100, 50, 51])]))
put("png", "palette", png(9, 1, 1, 3, [b"\x40\0"], palette + chunk(b"tRNS", bytes([7]))))
put("png", "interlaced", png(1, 1, 8, 0, [b"\7"], interlace=1))
put("png", "transparent-grey", png(3, 1, 2, 0, [b"\x1b"], chunk(b"tRNS", b"\0\1")))
put("png", "bomb", png(65536, 65536, 8, 6, [b""]))
put("png", "text", png(1, 1, 8, 0, [b"\7"], chunk(b"tEXt", b"a\0b") + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2000)))))

# ------------------------------------------------------------------ spec

put("spec", "all", "nicest 1\ncolumns 4\nstandardise\nlogit margin=1e-4\npermute odd-even\n"
    "coupling move=second hidden=8x2,3 activation=tanh rule=additive\npermute random:7\n"
    "coupling move=first hidden=none\npermute reverse\nscale\nprior logistic\n")
put("spec", "marginal", "nicest 1\ncolumns 3\nmarginal levels=16 knots=8\nscale\nprior normal\n")
put("spec", "linear", "nicest 1\ncolumns 3\nlinear form=lu start=identity\nlinear form=triangular\n"
    "prior normal\n")
put("spec", "convolution", "nicest 1\ncolumns 16\nconvolution size=4x4 cell=4 keep=blocks:1 hidden=8x2 "
    "rule=affine bound=2\nconvolution size=4x2 channels=2 cell=2 keep=rows:0 hidden=4x1\nprior normal\n")
put("spec", "comments", "nicest 1 # version\n\ncolumns 1\n# nothing\nscale\nprior normal\n")
put("spec", "wide", "nicest 1\ncolumns 2\ncoupling move=first hidden=65536x64\nprior normal\n")
put("spec", "two-priors", "nicest 1\ncolumns 2\nprior normal\nprior normal\n")
put("spec", "many-widths", "nicest 1\ncolumns 2\ncoupling move=first hidden=" +
    ",".join(str(10000 + i) for i in range(64)) + "\nprior normal\n")

# ------------------------------------------------------------------ checkpoint

counters = {"step": 12, "epoch": 3, "in_epoch": 0, "draws": 12, "retries": 0, "above": 0,
            "rate_factor": 1.0, "seconds": 0.25, "start_logp": -3.5, "valid_logp": -2.5,
            "best_logp": -2.5, "train_logp": None, "stale": 0, "sum": -7.5, "summed": 2,
            "log_bytes": 0, "log_checksum": 0, "stride": 1, "skipped": 0, "optimizer.steps": 12,
            "curve": [[4, 1.0, -3.0, -2.75, 0.001], [8, 2.0, None, -2.5, 0.0005]]}
identity = {"version": "0", "recipe": {"batch": 4, "rate": 0.001}, "training data": {"rows": 16}}


def checkpoint(texts, names=("theta", "best", "first", "second", "average"), count=12, first=0.5):
    header = {"__metadata__": texts}
    for i, name in enumerate(names):
        header[name] = {"dtype": "F32", "shape": [count],
                        "data_offsets": [4 * count * i, 4 * count * (i + 1)]}
    text = json.dumps(header, separators=(",", ":"))
    text += " " * (-len(text) % 8)
    data = struct.pack("<f", first) * (count * len(names))
    return struct.pack("<Q", len(text)) + text.encode() + data


texts = {"format": "nicest-checkpoint", "nicest.version": "1",
         "nicest.identity": json.dumps(identity), "nicest.counters": json.dumps(counters)}
put("checkpoint", "whole", checkpoint(texts))
put("checkpoint", "not-a-number", checkpoint(texts, first=float("nan")))
put("checkpoint", "short", checkpoint(texts, count=11))
put("checkpoint", "no-average", checkpoint(texts, names=("theta", "best", "first", "second")))
put("checkpoint", "negative-time",
    checkpoint(dict(texts, **{"nicest.counters": json.dumps(dict(counters, seconds=-1e300))})))
put("checkpoint", "no-time",
    checkpoint(dict(texts, **{"nicest.counters": json.dumps(dict(counters, seconds=None))})))
put("checkpoint", "not-an-object", checkpoint(dict(texts, **{"nicest.identity": "[]"})))

# ------------------------------------------------------------------ options and other words

put("options", "all", "m.safetensors\n--seed=7\n--threads\n4\n--precision=bf16\n--json\n-qv\n"
    "--epochs=1e5\n-s0.5\n--time\n1.5m\n--every=500s\n--image=28x28x3\n--no-json\n-m2\n--\n-x")
put("options", "unknown", "--sed=7\nx")
put("options", "wrong", "x\n--share=0\n--every=0s")
put("options", "help", "--help")
put("options", "numbers", "0:90:10\n1,2,3\n0.1:0.9:0.1\n1e308:-1e308:1")
put("options", "missing", "--seed")
for name, text in [("columns", "a,b,2-3"), ("where", "b=5"), ("where-text", "e,f=x"), ("slice", "1:-1"),
                   ("toy", "moons,noise=0.2,seed=3"), ("toy-2", "parabola"), ("random", "random:0.75"),
                   ("mask", "middle-rows"), ("noise", "noise"), ("hidden", "64x2,32"),
                   ("range", "3-1"), ("long", "1-18446744073709551615"), ("huge", "-9223372036854775808:"),
                   ("empty", ",,"), ("quoted", "'c d'")]:
    put("words", name, text)
