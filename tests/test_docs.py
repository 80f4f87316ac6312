#!/usr/bin/env python3
"""What the documentation points at exists: files behind links, and options of the commands that it shows.

    test_docs.py PROGRAM [ROOT]
    test_docs.py --self-test
"""
import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?<![-/])\bnicest ([a-z]+)\b([^|;&`\n]*)")
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")


def dead_links(path, text):
    """Links to files that are not there; addresses of the network are left alone."""
    return [link for link in LINK.findall(text)
            if "://" not in link and not (path.parent / link).exists()]


def commands(text):
    """(verb, [option]) of every command in code, with lines that a backslash joins."""
    code = "\n".join(re.findall(r"```.*?\n(.*?)```", text, re.S) + re.findall(r"^    (.*)", text, re.M) +
                     re.findall(r"`([^`\n]+)`", text))
    for verb, rest in COMMAND.findall(code.replace("\\\n", " ")):
        yield verb, OPTION.findall(rest)


def unknown_options(text, options_of):
    return [f"nicest {verb} --{option}" for verb, found in commands(text)
            for option in found if option not in (options_of(verb) or ())]


def self_test():
    here = pathlib.Path(__file__)
    assert dead_links(here, "[a](nothing.md) [b](test_docs.py#x) [c](https://x.y/z)") == ["nothing.md"]
    known = {"train": {"epochs"}}.get
    text = "    nicest train a --epochs 3 \\\n\nSee `nicest train --epoch 3` and `nicest trian --epochs 3`."
    assert unknown_options(text, known) == ["nicest train --epoch", "nicest trian --epochs"]
    assert unknown_options("```\n$ nicest train a \\\n  --no-such 1\n```\n", known) == ["nicest train --no-such"]


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent.parent)
    help_of = {}

    def options_of(verb):
        if verb not in help_of:
            done = subprocess.run([sys.argv[1], verb, "--help"], capture_output=True, text=True)
            found = set(OPTION.findall(done.stdout))
            help_of[verb] = None if done.returncode else found | {"no-" + name for name in found} | {"help"}
        return help_of[verb]

    wrong, pages = [], sorted(root.glob("*.md")) + sorted(root.glob("docs/**/*.md")) + [root / "tests/README.md",
                                                                                      root / "data/README.md"]
    for path in pages:
        text = path.read_text()
        wrong += [f"{path.relative_to(root)}: no file {link}" for link in dead_links(path, text)]
        wrong += [f"{path.relative_to(root)}: no option {option}" for option in unknown_options(text, options_of)]
    print("\n".join(wrong) or f"{len(pages)} pages: every link and option exists")
    return bool(wrong)


sys.exit(main())
