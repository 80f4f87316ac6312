#!/usr/bin/env python3
"""Every public function of nicest.h is tested, misused and explained.

    test_interface.py --root PROJECT [--self-test]

Three lists, each of which must be empty: functions that no test names, functions that no misuse test
(NULL, wrong sizes and names: tests/test_interface_misuse.c) names, and declarations in nicest.h
without a comment directly above them or above the run of declarations that they belong to, if that
comment names them."""
import argparse
import glob
import os
import re
import sys

MISUSE = "test_interface_misuse.c"
NAME = re.compile(r"\b(nicest_[a-z0-9_]+)\s*\(")


def declarations(header):
    """(name, comment above) of each function, in order; the comment is '' where there is none."""
    found, comment, above = [], "", ""
    for token in re.finditer(r"/\*(.*?)\*/|(NICEST_API\b[^;]*;)|(\n[ \t]*\n)|(^#[^\n]*)|([^\s/]+)", header,
                             flags=re.S | re.M):
        text, function, gap, directive, other = token.groups()
        if text is not None:
            comment = text
        elif function is not None:
            name = NAME.search(function).group(1)
            # The comment stands right above, or above the run and names the function.
            explains = comment or (above if name in above else "")
            found.append((name, explains))
            above, comment = comment or above, ""
        elif gap is not None or directive is not None:
            above, comment = "", ""
        elif other is not None:
            comment = ""
    return found


def names_in(paths):
    names = set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
        names |= set(re.findall(r"\bnicest_[a-z0-9_]+\b", text))
    return names


def gaps(header, tested, misused):
    functions = declarations(header)
    return {"no test names": [n for n, _ in functions if n not in tested],
            "no misuse test names": [n for n, _ in functions if n not in misused],
            "no comment explains": [n for n, c in functions if not c.strip()]}, len(functions)


def check(root):
    header = ""
    for name in ("nicest_core.h", "nicest.h"):
        with open(os.path.join(root, "include", name), encoding="utf-8") as file:
            header += file.read()
    files = glob.glob(os.path.join(root, "tests/*.[ch]"))
    tested = names_in(f for f in files if os.path.basename(f) != MISUSE)
    misused = names_in(f for f in files if os.path.basename(f) == MISUSE)
    found, count = gaps(header, tested, misused)
    for what, names in found.items():
        for name in names:
            print(f"{name}: {what} it")
    wrong = sum(len(names) for names in found.values())
    print(f"{count} functions in nicest.h, {wrong} gaps")
    return 1 if wrong or not count else 0


def self_test():
    header = """/* Head. */

NICEST_API int nicest_a(void);
/* Explained. */
NICEST_API int nicest_b(int x,
                        int y);
NICEST_API int nicest_c(void);
/* The next, and nicest_e, too. */
NICEST_API int nicest_d(void);
NICEST_API int nicest_e(void);
"""
    found, count = gaps(header, {"nicest_a", "nicest_b", "nicest_d", "nicest_e"},
                        {"nicest_c", "nicest_b", "nicest_d", "nicest_e"})
    expected = {"no test names": ["nicest_c"], "no misuse test names": ["nicest_a"],
                "no comment explains": ["nicest_a", "nicest_c"]}
    if found != expected or count != 5:
        print(f"found {found} in {count} functions, expected {expected}")
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    return self_test() if options.self_test else check(options.root)


if __name__ == "__main__":
    sys.exit(main())
