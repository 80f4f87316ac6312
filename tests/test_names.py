#!/usr/bin/env python3
"""Each function of src/ and cli/, static or not, has a name that no other file has: a name in a stack, a profile or
a search then says where it is.

    test_names.py ROOT           prints every name that stands in several files; exit 1 where there is one
    test_names.py --self-test    plants one and fails unless it is found

There are no exceptions."""
import collections
import os
import re
import sys
import tempfile

NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
STATIC = re.compile(r"^static\s+(?:[\w\s*]|\([^()]*\))*?\b(\w+)\s*\(", re.M)
OTHER = re.compile(r"^(?!static\b|typedef\b|return\b|else\b)[A-Za-z_][\w *]*?\b(\w+)\([^;{}]*\)\s*\{", re.M)


def places(root):
    """{name: [files]} of the functions."""
    found = collections.defaultdict(set)
    for top in ("src", "cli"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith(".c"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        code = NOT_CODE.sub(" ", file.read())
                    for match in [*STATIC.finditer(code), *OTHER.finditer(code)]:
                        found[match[1]].add(os.path.relpath(path, root))
    return found


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for name, text in (("src/a.c", "static int twin(void)\n{\n}\nint same(int a)\n{\n}\nint other(void)\n{\n}\n"),
                           ("cli/b.c", "/* static int other(void) */\nstatic const char *twin(int a,\n  int b)\n{\n}\n"
                            "static void same(void)\n{\n}\n")):
            os.makedirs(os.path.dirname(os.path.join(root, name)))
            with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                file.write(text)
        found = places(root)
        assert {name for name, files in found.items() if len(files) > 1} == {"twin", "same"}, found
        assert found["other"] == {"src/a.c"}, found


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    twins = {name: sorted(files) for name, files in places(sys.argv[1]).items() if len(files) > 1}
    for name, files in sorted(twins.items()):
        print(f"{name}: {', '.join(files)}: another name, please")
    print(f"{len(twins)} names in several files")
    return bool(twins)


sys.exit(main())
