#!/usr/bin/env python3
"""Runs the program's test cases. A case is any executable NAME.test; what it writes and how it ends
is compared with the files beside it.

    run.py --program BUILD/nicest [CASE.test|FOLDER]...    (default: the folder of this file)
        --update    write what the program said now as the expectation
        --keep      leave the scratch folders and print their places
    run.py --self-test

    NAME.test.stdout.exact    standard output, byte for byte
    NAME.test.stdout.glob     line by line: * any characters, ? one; a line ... is any number of lines
    NAME.test.stdout.ignore   anything goes
    NAME.test.stderr.*        the same for standard error
    NAME.test.exit            the exit status (default 0)

A stream without a file must be empty. Each case runs in a scratch folder of its own with NICEST
(the program), SOURCE (the project) and CASE (the case's folder) in its environment, and `nicest` on
its PATH."""
import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TIMEOUT = 850  # below what ctest allows: 900 s, under sanitizers 1800


def environment(program, scratch, case):
    names = ("LANG", "NICEST_SHARED", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
             "LD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    path = os.path.join(scratch, ".bin") + os.pathsep + os.environ.get("PATH", "/usr/bin:/bin")
    return {**kept, "PATH": path, "NICEST": program, "SOURCE": SOURCE, "CASE": os.path.dirname(case),
            "HOME": scratch, "TMPDIR": scratch, "LC_ALL": "C", "COLUMNS": "100", "TERM": "dumb"}


def run_case(program, case, scratch):
    """(exit status, {stream: bytes}); status is None when time ran out."""
    work = os.path.join(scratch, "work")
    os.makedirs(work)
    os.makedirs(os.path.join(scratch, ".bin"))
    os.symlink(program, os.path.join(scratch, ".bin", "nicest"))
    process = subprocess.Popen([case], cwd=work, env=environment(program, scratch, case),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
        status = None
    return status, {"stdout": out, "stderr": err}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def glob_line(pattern):
    parts = [{"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern]
    return re.compile("".join(parts), re.S)


def glob_matches(pattern, text):
    """Whole text against the lines of a pattern; by dynamic programming, since `...` may nest."""
    wanted = pattern.split("\n")
    lines = text.split("\n")
    reach = {0}
    for line in wanted:
        if line == "...":
            reach = set(range(min(reach), len(lines) + 1)) if reach else set()
        else:
            rule = glob_line(line)
            reach = {i + 1 for i in reach if i < len(lines) and rule.fullmatch(lines[i])}
    return len(lines) in reach


def difference(wanted, got, name):
    lines = difflib.unified_diff(wanted.decode("utf-8", "replace").splitlines(),
                                 got.decode("utf-8", "replace").splitlines(), "expected " + name, "got",
                                 lineterm="")
    return "\n".join(list(lines)[:60]) or f"{name}: only the ends of lines differ"


def judge_stream(case, stream, got):
    """None, or what is wrong."""
    base = f"{case}.{stream}"
    if os.path.exists(base + ".ignore"):
        return None
    if os.path.exists(base + ".glob"):
        wanted = read(base + ".glob")
        if glob_matches(wanted.decode("utf-8"), got.decode("utf-8", "replace")):
            return None
        return f"{stream} does not match {os.path.basename(base)}.glob\n" + difference(wanted, got, stream)
    wanted = read(base + ".exact") if os.path.exists(base + ".exact") else b""
    return None if wanted == got else difference(wanted, got, stream)


def expected_exit(case):
    return int(read(case + ".exit")) if os.path.exists(case + ".exit") else 0


def judge(case, status, streams):
    if status is None:
        return [f"not done after {TIMEOUT} s"]
    wrong = []
    if status != expected_exit(case):
        wrong.append(f"exit status {status}, expected {expected_exit(case)}")
    return wrong + [w for w in (judge_stream(case, s, streams[s]) for s in sorted(streams)) if w]


def put_or_remove(path, data, needed):
    if needed:
        write(path, data)
    elif os.path.exists(path):
        os.remove(path)


def update(case, status, streams):
    """Writes expectations; globs and ignores were written by somebody and stay."""
    put_or_remove(case + ".exit", f"{status}\n".encode(), status != 0)
    for stream, got in streams.items():
        base = f"{case}.{stream}"
        if not os.path.exists(base + ".glob") and not os.path.exists(base + ".ignore"):
            put_or_remove(base + ".exact", got, got != b"")


def do_case(program, case, options):
    scratch = tempfile.mkdtemp(prefix="nicest-cli-")
    try:
        status, streams = run_case(program, case, scratch)
    finally:
        if options.keep:
            print(f"{case}: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    if options.update and status is not None:
        update(case, status, streams)
    return judge(case, status, streams)


def find_cases(arguments):
    for argument in arguments or [HERE]:
        if not os.path.isdir(argument):
            yield os.path.abspath(argument)
            continue
        for folder, _, names in sorted(os.walk(argument)):
            yield from (os.path.abspath(os.path.join(folder, n)) for n in sorted(names)
                        if n.endswith(".test"))


# ---------------------------------------------------------------- self-test

SELF_CASES = [  # body of the case, expectations, does it pass
    ("echo hello", {"stdout.exact": "hello\n"}, True),
    ("echo hello", {"stdout.exact": "hello"}, False),
    ("echo hello", {}, False),
    ("echo hello >&2", {"stdout.exact": ""}, False),
    ("echo hello >&2", {"stderr.ignore": ""}, True),
    ("true", {}, True),
    ("exit 3", {}, False),
    ("exit 3", {"exit": "3\n"}, True),
    ("true", {"exit": "3\n"}, False),
    ("echo a; echo b 12; echo c", {"stdout.glob": "a\nb *\n...\n"}, True),
    ("echo a; echo b 12; echo c", {"stdout.glob": "a\nb ?\nc\n"}, False),
    ("echo a; echo b 12; echo c", {"stdout.glob": "...\nc\n"}, True),
    ("echo a; echo b 12; echo c", {"stdout.glob": "...\nd\n...\n"}, False),
    ("echo '{\"a\": [1]}'", {"stdout.glob": "{\"a\": [?]}\n"}, True),
    ("ls; pwd | grep -c nicest-cli-", {"stdout.exact": "1\n"}, True),
    ("nicest && \"$NICEST\"", {}, True),
]


def self_test():
    wrong = 0
    for body, expectations, passes in SELF_CASES:
        with tempfile.TemporaryDirectory() as folder:
            case = os.path.join(folder, "a.test")
            write(case, f"#!/bin/sh\n{body}\n".encode())
            os.chmod(case, 0o755)
            for name, text in expectations.items():
                write(f"{case}.{name}", text.encode())
            options = argparse.Namespace(keep=False, update=False)
            found = do_case(shutil.which("true"), case, options)
            options.update = True
            do_case(shutil.which("true"), case, options)
            options.update = False
            again = do_case(shutil.which("true"), case, options)
            # After an update only a glob, which stays as it was written, may still be wrong.
            fixed = not again or any("glob" in name for name in expectations)
            if bool(found) == passes or not fixed:
                print(f"{body!r} with {expectations}: found {found}, after update {again}")
                wrong += 1
    print(f"{len(SELF_CASES)} cases, {wrong} wrong")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    program = options.program or os.environ.get("NICEST")
    if not program or not os.access(program, os.X_OK):
        parser.error("--program PROGRAM (or NICEST in the environment) must name the program")
    count = failed = 0
    for case in find_cases(options.cases):
        wrong = do_case(os.path.abspath(program), case, options)
        count += 1
        failed += bool(wrong)
        print(f"{'FAILED' if wrong else 'passed'}  {os.path.relpath(case, HERE)}")
        for sentence in wrong:
            print("    " + sentence.replace("\n", "\n    "))
    print(f"{count} cases, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
