#!/usr/bin/env python3
"""Opens a report in headless Chromium: no word on its console, every section laid out, nothing wider than a
phone (no table scrolls either), no word of a chart on another or cut off. Skipped (77) where there is no Chromium.

    test_report_browser.py PROGRAM
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROBE = """<script>
addEventListener("load", () => {
    const flat = [...document.querySelectorAll("figure, table")].filter(e => !e.getBoundingClientRect().height);
    let bad = 0;
    for (const chart of document.querySelectorAll("figure svg")) {
        if (!chart.getBoundingClientRect().height)
            continue; // drawn for another width
        const frame = chart.getBoundingClientRect();
        const boxes = [...chart.querySelectorAll("text")].map(e => e.getBoundingClientRect());
        boxes.forEach((a, i) => {
            bad += a.left < frame.left - 1 || a.right > frame.right + 1 || a.bottom > frame.bottom + 1;
            bad += boxes.slice(0, i).some(b => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3);
        });
    }
    const wide = [document.documentElement, ...document.querySelectorAll(".scroll, pre")]
        .some(e => e.scrollWidth > e.clientWidth + 1);
    const found = [document.querySelectorAll("h2").length, flat.length, bad, wide ? "overflows" : "fits"].join(" ");
    document.body.dataset.probe = found;
    parent.postMessage(found, "*");
});
</script>"""
# A headless window is at least 500 wide: a phone is a frame in it.
FRAME = """<body><iframe src="page.html" style="border:0; width:%dpx; height:900px"></iframe>
<script>addEventListener("message", e => { document.body.dataset.probe = e.data; });</script></body>"""


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)


def look(browser, page, width):
    """What the probe found, and what the console said."""
    done = run(browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
               "--virtual-time-budget=5000",
               f"--user-data-dir={os.path.dirname(page)}/profile", f"--window-size={width},900", "--dump-dom",
               "file://" + page)
    found = re.search(r'data-probe="([^"]*)"', done.stdout)
    return found.group(1).split() if found else None, [l for l in done.stderr.splitlines() if "CONSOLE" in l]


def check(browser, page):
    with open(page) as file:
        text = file.read()
    sections = text.count("<h2>")
    with open(page, "w") as file:
        file.write(text.replace("</head>", PROBE + "</head>"))
    for width in (390, 1200):
        shown = page if width >= 500 else os.path.join(os.path.dirname(page), "frame.html")
        if shown != page:
            with open(shown, "w") as file:
                file.write(FRAME % width)
        probe, console = look(browser, shown, width)
        assert not console, console
        assert probe == [str(sections), "0", "0", "fits"], (width, probe, sections)
    return sections


def main():
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        print("SKIPPED: no Chromium on this machine")
        return 77
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    digits = os.path.join(source, "data", "digits.csv.gz")
    with tempfile.TemporaryDirectory() as folder:
        model, page = os.path.join(folder, "m.safetensors"), os.path.join(folder, "page.html")
        run(sys.argv[1], "train", digits, "--image", "8x8", "--label", "65", "--epochs", "2", "--hidden", "16", "-q",
            "-o", model)
        table = os.path.join(folder, "t.safetensors")
        run(sys.argv[1], "train", "toy:pinwheel,n=500", "--epochs", "2", "--hidden", "16", "-q", "-o", table)
        pages = (
            (model, digits + "[0:120]", "--label", "65", "--train", digits, "--valid", digits + "[200:400]"),
            (table, "toy:pinwheel,n=300,stream=1", "--train", "toy:pinwheel,n=500"),
        )
        for page_of in pages:
            run(sys.argv[1], "report", *page_of, "-q", "-o", page)
            sections = check(browser, page)
    print(f"{sections} sections, no word on the console, fits 390 and 1200 pixels")
    return 0


sys.exit(main())
