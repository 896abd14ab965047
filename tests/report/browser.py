"""A headless Chromium, for what only a browser knows of a page: where its boxes end up, and what it complains of."""

import functools
import html
import json
import os
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Boxes inside of what scrolls, and what is meant for readers of the screen alone, may lie outside.
SCRIPT = """
addEventListener("load", () => {
  const wide = document.documentElement.clientWidth, paper = PAPER;
  const aside = paper ? ".unseen" : ".scroll, .picture, .skip, .unseen, thead";
  const outside = [...document.querySelectorAll("body, body *")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && (box.right > wide + 1 || box.left < -1) && !one.closest(aside);
  }).map(one => one.tagName + "." + one.className + ": " + one.textContent.slice(0, 40));
  const found = {
    width: innerWidth, page: document.documentElement.scrollWidth, window: wide, outside,
    images: [...document.images].map(one => [one.alt, one.complete && one.naturalWidth > 0 && one.clientWidth > 0]),
    hidden: [...document.querySelectorAll("table")].filter(one => !one.checkVisibility()).length,
  };
  parent.document.getElementById("NAME").textContent = JSON.stringify(found);
});
"""


@functools.cache
def browser():
    """Return the program, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(browser() is None, reason=f"none of {', '.join(NAMES)} is installed")


def run(page, profile, *options):
    """Load a page and return (stdout, stderr)."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run([browser(), "--headless", "--disable-gpu", *sandbox, f"--user-data-dir={profile}", *options,
                           page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


def complaints(page, profile):
    """List what the console of a page says."""
    _, said = run(page, profile, "--enable-logging=stderr", "--dump-dom")
    return [line for line in said.splitlines() if "CONSOLE" in line]


def measure(page, profile, windows):
    """Measure the boxes of a page.

    Args:
        windows: widths by name; that of a name that begins with "paper" is laid out as for print.
    """
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    frame = page.with_name("measured.html")
    # A window has a least width that is more than that of a phone; a frame has none.
    frames = "".join(_frame(text, name, width) for name, width in windows.items())
    frame.write_text(f'<!DOCTYPE html><meta charset="utf-8">{frames}', encoding="utf-8")
    out, _ = run(frame, profile, f"--window-size={max(windows.values()) + 100},1000", "--dump-dom")
    told = re.findall(r'<pre id="(\w+)">(.*?)</pre><iframe', out, re.DOTALL)
    return {name: json.loads(html.unescape(found)) for name, found in told}


def _frame(text, name, width):
    if paper := name.startswith("paper"):
        text = text.replace("@media print", "@media all")
    script = SCRIPT.replace("PAPER", "true" if paper else "false").replace("NAME", name)
    inside = html.escape(text.replace("</body>", f"<script>{script}</script></body>"))
    return (f'<pre id="{name}"></pre><iframe srcdoc="{inside}" style="width: {width}px; height: 900px; border: 0">'
            "</iframe>")
