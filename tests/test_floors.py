#!/usr/bin/env python3
"""The laws of the house that a compiler does not check, read from the text of src/, cli/ and include/.

    test_floors.py ROOT          prints every violation as file:line: sentence; exit 1 if there is one
    test_floors.py --self-test   plants one violation of each law and fails unless it is found

Laws: includes never point to a higher floor; cli/ includes nicest.h, its own headers, jansson and
standard headers only; each system header has one owner; memory is allocated in base/memory.c alone;
the library neither prints nor ends the program."""
import os
import re
import sys
import tempfile

FLOORS = ["base", "kernel", "flow", "model", "data", "train", "apply"]

# Anybody may include these.
C_HEADERS = set(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign"
    " stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath time uchar wchar"
    " wctype".split())
POSIX_HEADERS = set("unistd fcntl dirent strings sys/stat sys/types sys/time".split())

# All other system headers, with the files that may include them.
OWNERS = {
    "pthread.h": ["src/base/parallel.c"],
    "threads.h": [],
    "sched.h": ["src/base/parallel.c"],
    "zlib.h": ["src/base/file.c"],
    "sys/mman.h": ["src/base/file.c"],
    "poll.h": ["src/base/file.c"],
    "malloc.h": ["src/base/memory.c"],
    "Random123/philox.h": ["src/base/random.c"],
    # Intrinsics: the compiler vectorises; only an instruction that C cannot say may argue otherwise.
    "immintrin.h": ["src/kernel/gemm_levels.c"],
    "cpuid.h": ["src/base/processor.c"],
    "png.h": ["src/data/image.c"],
    "cairo.h": ["cli/chart.c"],
    "cairo-svg.h": ["cli/chart.c"],
    "cairo-pdf.h": ["cli/chart.c"],
    "zip.h": ["src/data/npy.c"],
    "csv.h": ["src/data/csv.c"],
    "mpi.h": ["src/train/comm_mpi.c"],
    # What a floor stores beside a model is JSON: its writers and readers, and the program.
    "jansson.h": ["src/model/", "src/train/record.c", "src/apply/", "cli/"],
    # Terminals and processes: the program's.
    "sys/ioctl.h": ["cli/"],
    "sys/resource.h": ["cli/"],
    "sys/utsname.h": ["cli/"],
    "sys/wait.h": ["cli/"],
    "termios.h": ["cli/"],
    "getopt.h": [],
}
# signal.h is C's, but the library installs no handler: only who must block or ignore one.
SIGNAL_OWNERS = ["src/base/parallel.c", "src/base/file.c", "cli/"]

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
# A call, not a member of that name: `layer->free(...)` is somebody's own.
ALLOCATION = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign"
                        r"|free|strdup|strndup|asprintf|vasprintf|getline|getdelim|alloca)\s*\(")
VOICE = re.compile(r"(?<![\w.>])(printf|vprintf|puts|putchar|perror|dprintf|vdprintf|exit|_exit|_Exit|quick_exit"
                   r"|abort|raise)\s*\(|\b(stderr|stdout|STDERR_FILENO|STDOUT_FILENO)\b|\b(write\s*\(\s*\d)")
VOICE_OWNERS = {"STDOUT_FILENO": ["src/base/file.c"]}  # "-" where the name of a file to write is asked for


def code_lines(text):
    """Lines of C without comments and with empty literals; the count of lines stays."""
    pattern = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)

    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return " " + "\n" * token.count("\n")
        return token[0] * 2

    return pattern.sub(blank, text).split("\n")


def owned_by(path, owners):
    return any(path == o or (o.endswith("/") and path.startswith(o)) for o in owners)


def check_system_include(path, header):
    if header == "signal.h":
        return None if owned_by(path, SIGNAL_OWNERS) else "signal.h belongs to " + ", ".join(SIGNAL_OWNERS)
    if header in OWNERS:
        if owned_by(path, OWNERS[header]):
            return None
        owner = ", ".join(OWNERS[header]) or "nobody"
        return f"<{header}> belongs to {owner}"
    name = header[:-2] if header.endswith(".h") else header
    if name in C_HEADERS or name in POSIX_HEADERS:
        return None
    return f"<{header}> has no owner: name one in tests/test_floors.py"


def check_own_include(path, header, own_cli_headers):
    if header == "nicest.h" or header == "nicest_core.h" and path == "include/nicest.h":
        return None
    if path.startswith("include/"):
        return f'nicest.h stands alone, it may not include "{header}"'
    if path.startswith("cli/"):
        if header in own_cli_headers:
            return None
        return f'cli/ includes nicest.h and its own headers only, not "{header}"'
    floor = path.split("/")[1]
    target = header.split("/")[0]
    if ".." in header or "/" not in header or target not in FLOORS:
        return f'"{header}" is not written as "room/file.h"'
    if floor not in FLOORS:
        return f"src/{floor} is no floor: {' -> '.join(FLOORS)}"
    if FLOORS.index(target) > FLOORS.index(floor):
        return f'{floor} may not include "{header}": {target} is a higher floor'
    return None


def check_file(root, path, own_cli_headers):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if match:
            system, own = match.groups()
            wrong = (check_system_include(path, system) if system
                     else check_own_include(path, own, own_cli_headers))
            if wrong:
                found.append((path, number, wrong))
    if not path.startswith("src/"):
        return found
    for number, line in enumerate(code_lines(text), 1):
        match = ALLOCATION.search(line)
        if match and path != "src/base/memory.c":
            found.append((path, number, f"{match.group(1)}() belongs to src/base/memory.c"))
        match = VOICE.search(line)
        if match:
            word = next(group for group in match.groups() if group)
            if not owned_by(path, VOICE_OWNERS.get(word, [])):
                found.append((path, number, f"the library never prints or exits: {word}"))
    return found


def sources(root):
    for top in ("include", "src", "cli"):
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def check(root):
    paths = list(sources(root))
    own = set()
    for path in paths:
        if path.startswith("cli/") and path.endswith(".h"):
            own.update((path, path[len("cli/"):]))
    found = []
    for path in paths:
        found += check_file(root, path, own)
    return paths, found


# ---------------------------------------------------------------- self-test

CLEAN = {
    "include/nicest.h": '#include "nicest_core.h"\n',
    "include/nicest_core.h": "#include <stddef.h>\n",
    "src/base/memory.c": '#include "base/memory.h"\n#include <stdlib.h>\nvoid *p(void) { return malloc(1); }\n',
    "src/base/memory.h": "#include <stddef.h>\n",
    "src/base/file.c": "#include <zlib.h>\n#include <signal.h>\n",
    "src/flow/flow.c": '#include "base/memory.h"\n#include "nicest.h"\n/* malloc( */\n'
                       'char *s = "free(x) printf(";\nvoid f(void) { layer->free(x); flow_free(x); }\n',
    "cli/main.c": '#include "nicest.h"\n#include "options.h"\n#include <jansson.h>\n#include <stdio.h>\n',
    "cli/options.h": "#include <stdbool.h>\n",
}
PLANTED = [
    ("src/flow/a.c", '#include "train/trainer.h"\n', 1, "higher floor"),
    ("src/base/a.h", '  #  include "nicest.h"\n#include "kernel/gemm.h"\n', 2, "higher floor"),
    ("src/model/a.c", '#include "data/source.h"\n', 1, "higher floor"),
    ("src/flow/a.c", '#include "../train/trainer.h"\n', 1, "not written as"),
    ("src/flow/a.c", '#include "flow.h"\n', 1, "not written as"),
    ("src/attic/a.c", '#include "base/memory.h"\n', 1, "is no floor"),
    ("include/nicest.h", '#include "base/status.h"\n', 1, "stands alone"),
    ("cli/a.c", '#include "nicest_core.h"\n', 1, "own headers only"),
    ("cli/a.c", '#include "base/memory.h"\n', 1, "own headers only"),
    ("cli/a.c", "#include <zlib.h>\n", 1, "belongs to"),
    ("src/train/a.c", "#include <pthread.h>\n", 1, "belongs to"),
    ("src/data/a.c", "#include <sys/mman.h>\n", 1, "belongs to"),
    ("src/kernel/a.c", "#include <immintrin.h>\n", 1, "belongs to"),
    ("src/base/a.c", "#include <png.h>\n", 1, "belongs to"),
    ("src/data/a.c", "#include <jansson.h>\n", 1, "belongs to"),
    ("src/train/a.c", "#include <mpi.h>\n", 1, "belongs to"),
    ("src/train/a.c", "#include <signal.h>\n", 1, "belongs to"),
    ("src/train/a.c", "#include <curl/curl.h>\n", 1, "no owner"),
    ("src/flow/a.c", "\n/* two\n lines */ void *p = malloc(3);\n", 3, "malloc()"),
    ("src/flow/a.c", "void f(void *x) { free (x); }\n", 1, "free()"),
    ("src/data/a.c", 'char *s = "\\"", *t = strdup(s);\n', 1, "strdup()"),
    ("src/data/a.c", 'void f(void) { printf("x"); }\n', 1, "prints or exits"),
    ("src/data/a.c", 'void f(void) { fprintf(stderr, "x"); }\n', 1, "prints or exits"),
    ("src/data/a.c", "void f(void) { exit(1); }\n", 1, "prints or exits"),
    ("src/data/a.c", 'void f(void) { fputs("x", stdout); }\n', 1, "prints or exits"),
    ("src/data/a.c", 'void f(void) { dprintf(3, "x"); }\n', 1, "prints or exits"),
    ("src/data/a.c", 'void f(void) { (void)write(2, "x", 1); }\n', 1, "prints or exits"),
    ("src/data/a.c", 'void f(void) { (void)write(STDOUT_FILENO, "x", 1); }\n', 1, "prints or exits"),
    ("src/data/a.c", "void f(void) { raise(6); }\n", 1, "prints or exits"),
]


def violations_of(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        return check(root)[1]


def self_test():
    bad = [f"clean tree: {v}" for v in violations_of(CLEAN)]
    for path, text, line, words in PLANTED:
        found = violations_of({**CLEAN, path: text})
        if len(found) != 1 or found[0][:2] != (path, line) or words not in found[0][2]:
            bad.append(f"planted in {path}: {text!r}: expected line {line} '{words}', found {found}")
    for sentence in bad:
        print(sentence)
    print(f"{len(PLANTED) + 1} trees, {len(bad)} wrong")
    return 1 if bad else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1:
        print(__doc__)
        return 2
    paths, found = check(arguments[0])
    for path, line, sentence in found:
        print(f"{path}:{line}: {sentence}")
    print(f"{len(paths)} files, {len(found)} violations")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
