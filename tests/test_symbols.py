#!/usr/bin/env python3
"""The libraries offer the functions of nicest.h: all of them, and nothing else.

    test_symbols.py --nm NM --header include/nicest.h [--header ...] --list tests/exported.txt LIBRARY...

A function that is declared but not defined is a promise not kept; one that is visible but not
declared is a name taken from the user's program. The committed list of names makes a change of what
is exported a change that somebody reads: it is written anew by hand, one name a line, sorted."""
import argparse
import re
import subprocess
import sys


def declared(headers):
    names = set()
    for header in headers:
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
        names |= set(re.findall(r"NICEST_API\b[^;(]*?\b(nicest_\w+)\s*\(", text))
    return names


def defined(nm, library):
    """Names that a linker sees: the dynamic table of a shared library, the externals of an archive."""
    options = ["-D"] if ".so" in library else ["-g"]
    output = subprocess.run([nm, *options, "--defined-only", "-P", library], check=True,
                            capture_output=True, text=True).stdout
    names = {line.split()[0].split("@")[0] for line in output.splitlines() if len(line.split()) >= 2
             and not line.endswith(":")}
    # Instrumented builds add tables of their own.
    return {n for n in names if not re.match(r"(__asan|__odr_asan|__sanitizer|__ubsan|_init$|_fini$)", n)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--header", required=True, action="append")
    parser.add_argument("--list", required=True)
    parser.add_argument("libraries", nargs="+")
    options = parser.parse_args()
    promised = declared(options.header)
    with open(options.list, encoding="utf-8") as file:
        listed = file.read().split()
    wrong = len(promised ^ set(listed)) + (listed != sorted(set(listed)))
    for name in sorted(promised ^ set(listed)):
        print(f"{options.list}: {name} is {'not there' if name in promised else 'there alone'}")
    for library in options.libraries:
        given = defined(options.nm, library)
        for name in sorted(promised - given):
            print(f"{library}: {name} is declared in nicest.h and not defined")
        for name in sorted(given - promised):
            print(f"{library}: {name} is visible and not in nicest.h")
        wrong += len(promised ^ given)
    print(f"{len(promised)} functions in nicest.h, {wrong} differences")
    return 1 if wrong or not promised else 0


if __name__ == "__main__":
    sys.exit(main())
