"""Writes npy_files.h: small files as NumPy writes them. Run it by hand:

    python3 tests/golden/make_npy.py > tests/golden/npy_files.h
"""

import io
import zipfile

import numpy as np

base = np.array([[0, 1, 2, 100], [3, 127, 5, 6], [1, 7, 11, 90]])


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version=version)
    return out.getvalue()


def npz(compressed, **arrays):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


files = {}
for kind in "u1 i1 <u2 >u2 <i2 >i2 <u4 >u4 <i4 >i4 <u8 >u8 <i8 >i8 <f2 >f2 <f4 >f4 <f8 >f8".split():
    name = kind.replace("<", "little_").replace(">", "big_")
    files["c_" + name] = npy(base.astype(kind))
    files["f_" + name] = npy(np.asfortranarray(base.astype(kind)))
files["version2"] = npy(base.astype("f8"), (2, 0))
files["version3"] = npy(base.astype("f8"), (3, 0))
files["one_axis"] = npy(base[1].astype("i2"))
files["boolean"] = npy(base > 5)
pictures = np.arange(2 * 2 * 3 * 3).reshape(2, 2, 3, 3).astype("u1")
files["pictures_c"] = npy(pictures)
files["pictures_f"] = npy(np.asfortranarray(pictures))
files["grey_c"] = npy(pictures[:, :, :, 0].copy())
files["grey_f"] = npy(np.asfortranarray(pictures[:, :, :, 0]))
files["halves"] = npy(np.array([0, -0.0, 1, -2.5, 65504, 2 ** -24, 2 ** -14, 0.333251953125,
                                np.inf, -np.inf, np.nan], dtype="f2"))
files["scalar"] = npy(np.float64(3))
files["empty"] = npy(np.zeros((0, 3)))
files["text"] = npy(np.array(["a", "b"]))
files["complex"] = npy(np.array([1j]))
files["records"] = npy(np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]))
files["objects"] = npy(np.array([1, "x"], dtype=object))
y, row = np.array([0, 1, 0]), np.array([[5.0], [6], [7]])
names = np.array(["a", "b", "c"])
files["npz_packed"] = npz(True, first=y, X=np.asfortranarray(base.astype("f8")), y=y, row=row,
                          names=names, other=np.zeros(7))
files["npz_stored"] = npz(False, first=y, X=np.asfortranarray(base.astype("f8")), y=y, row=row,
                          names=names, other=np.zeros(7))
files["npz_columns"] = npz(True, a=y, b=y + 0.5)
files["npz_words"] = npz(True, names=names)

print("/* npy_files.h - written by make_npy.py with NumPy; do not edit. */")
for name, data in files.items():
    print(f"static const unsigned char golden_{name}[{len(data)}] = {{")
    for i in range(0, len(data), 24):
        print("    " + ",".join(str(b) for b in data[i:i + 24]) + ",")
    print("};")
print("static const struct golden_file {\n    const char *name;\n    const unsigned char *data;\n"
      "    size_t size;\n} golden_files[] = {")
for name in files:
    print(f'    {{"{name}", golden_{name}, sizeof golden_{name}}},')
print("};")
