#!/usr/bin/env python3
"""From nicest.h to ctypes: structures, constants and prototypes, so that no binding is written twice.

    generate.py include/nicest_core.h include/nicest.h OUTPUT.py

Knows the C that the header is written in (enums of one value a line or so, flat structures, function
types, prototypes) and stops at anything else. Structures that hold anonymous ones are left out."""
import re
import sys

SCALARS = {"int": "c_int", "unsigned": "c_uint", "double": "c_double", "float": "c_float",
           "size_t": "c_size_t", "uint64_t": "c_uint64", "char": "c_char", "unsigned char": "c_ubyte",
           "void": "None"}


class Header:
    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        self.text = re.sub(r"\s+", " ", text)
        self.constants, self.functions, self.structs, self.callbacks = {}, {}, {}, {}
        self.enums, self.opaque = {}, set()
        self.read()

    def read(self):
        for body, name in re.findall(r"typedef enum \w+ \{([^}]*)\} (\w+);", self.text):
            value, self.enums[name] = -1, []
            for item in filter(str.strip, body.split(",")):
                key, _, given = (p.strip() for p in item.partition("="))
                value = int(given) if given else value + 1
                self.constants[key] = value
                self.enums[name].append(key)
        self.constants |= {key: int(value) for key, value in re.findall(r"enum \{ (\w+) = (\d+) \};", self.text)}
        self.opaque = set(re.findall(r"typedef struct (\w+) \1;", self.text))
        for ret, name, args in re.findall(r"typedef (\w+) \(\*(\w+)\)\(([^)]*)\);", self.text):
            self.callbacks[name] = self.function_type(ret, args)
        for body, name in self.bodies():
            if "{" not in body:
                self.structs[name] = [f for item in body.split(";") if item.strip()
                                      for f in self.fields(item.strip())]
        for ret, name, args in re.findall(r"NICEST_API ([^;(]*?)(nicest_\w+)\(([^)]*)\);", self.text):
            self.functions[name] = (self.type_of(ret.strip()), self.arguments(args))

    def bodies(self):
        """(text between the braces, name) of each structure, anonymous ones inside included."""
        for start in re.finditer(r"typedef struct \w+ \{", self.text):
            depth, at = 1, start.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(self.text[at], 0)
                at += 1
            yield self.text[start.end():at - 1], re.match(r" (\w+);", self.text[at:]).group(1)

    def type_of(self, text):
        """The ctypes name of a C type; texts that come in or go out are c_char_p."""
        plain = re.sub(r"\b(const|struct)\b", "", text)
        stars, base = plain.count("*"), re.sub(r"[*\s]+", " ", plain).strip()
        if stars:
            return "c_char_p" if base == "char" and stars == 1 else "c_void_p"
        if base in self.enums:
            return "c_int"
        if base in SCALARS:
            return SCALARS[base]
        if base in self.callbacks:
            return base
        raise SystemExit(f"generate.py: the type '{text}' is not one that it knows")

    def arguments(self, text):
        parts = [p.strip() for p in text.split(",")]
        if parts in (["void"], [""]):
            return []
        return [(re.search(r"(\w+)(\[\d*\])?$", p).group(1),
                 "c_void_p" if "[" in p else self.type_of(re.sub(r"\w+(\[\d*\])?$", "", p))) for p in parts]

    def function_type(self, ret, args):
        return [self.type_of(ret)] + [self.type_of(re.sub(r"(?<=[\s*])\w+$", "", a.strip()))
                                      for a in args.split(",")]

    def fields(self, item):
        pointer = re.fullmatch(r"(\w+) \(\*(\w+)\)\((.*)\)", item)
        if pointer:
            return [(pointer.group(2), f"CFUNCTYPE({', '.join(self.function_type(*pointer.group(1, 3)))})")]
        kind, rest = re.match(r"((?:const )?(?:unsigned char|\w+)(?: const)?)\b(.*)", item).groups()
        found = []
        for one in rest.split(","):
            name = re.search(r"(\w+)(?:\[(\d+)\])?$", one.strip())
            stars = "*" * one.count("*")
            of = self.type_of(kind + " " + stars)
            found.append((name.group(1), f"{of} * {name.group(2)}" if name.group(2) else of))
        return found

    def write(self, out):
        out.write('"""The public interface of libnicest, made from nicest.h by python/generate.py."""\n'
                  "from ctypes import (CFUNCTYPE, Structure, c_char, c_char_p, c_double, c_float, c_int, c_size_t,\n"
                  "                    c_ubyte, c_uint, c_uint64, c_void_p)\n\n")
        for name, value in self.constants.items():
            out.write(f"{name} = {value}\n")
        for name, types in self.callbacks.items():
            out.write(f"\n{name} = CFUNCTYPE({', '.join(types)})\n")
        for name, fields in self.structs.items():
            out.write(f"\n\nclass {name}(Structure):\n    _fields_ = [\n")
            out.write("".join(f'        ("{field}", {kind}),\n' for field, kind in fields) + "    ]\n")
        out.write("\n\nFUNCTIONS = {\n")
        for name, (ret, args) in self.functions.items():
            types = "".join(f"{kind}, " for _, kind in args).rstrip()
            out.write(f'    "{name}": ({ret}, ({types})),\n')
        out.write("}\n")


def main():
    text = ""
    for path in sys.argv[1:-1]:
        with open(path, encoding="utf-8") as file:
            text += file.read()
    header = Header(text)
    with open(sys.argv[-1], "w", encoding="utf-8") as out:
        header.write(out)


if __name__ == "__main__":
    main()
