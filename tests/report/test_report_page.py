"""The page of a report: as a browser lays it out, as paper takes it, and as it is read aloud."""

import itertools
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from browser import complaints, measure, needs_browser, run
from part_files import make
from report_runs import class_predictions, good_curves, make_rows, make_summary, write_digits, write_run
from report_sweeps import noisy_grid
from trained_runs import KINDS, copied, subject, trained

from dlx.record.measures import write_measures
from dlx.report.render import render
from dlx.report.sweep.render import render_sweep

STANDARD = ("gap", "calibration", "errors", "data", "training", "capacity")
LONG_NAMES = [f"a class with a long name, number {index}, unbroken_{'x' * 30}" for index in range(12)]
# In pixels; paper is a sheet of A4 between its margins, and letter is wider.
WINDOWS = {"phone": 375, "desktop": 1280, "paper": 688}
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """The elements of a page in order: (tag, attributes, tags around it); the text of each."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(name for name, _ in self._open)))
        self.texts.append("")
        if tag not in VOID:
            self._open.append((tag, len(self.texts) - 1))

    def handle_endtag(self, tag):
        assert self._open[-1][0] == tag, f"{tag} is closed inside of {self._open[-1]}"
        self._open.pop()

    def handle_data(self, data):
        for _, index in self._open:
            self.texts[index] += data

    def all(self, *names):
        return [attrs for tag, attrs, _ in self.elements if tag in names]

    def within(self, tag, *names):
        return [attrs for name, attrs, around in self.elements if name in names and tag in around]


def measured(kind, parent):
    """Write the standard report of a trained run and return its folder."""
    folder = copied(trained(*KINDS[kind]), parent / kind)
    own = subject(folder)
    for name in STANDARD:
        write_measures(folder, name, make("report", name).measure(own))
    render(folder)
    return folder


def long_names(parent):
    folder = write_run(parent, make_rows(*good_curves()), make_summary(class_names=LONG_NAMES, name="n" * 60),
                       class_predictions(80, 12, 0.4), header=LONG_NAMES, name="long",
                       overrides=["model=mlp", f"name={'n' * 200}"])
    render(folder)
    return folder


def sweep(parent):
    folder = noisy_grid(parent, {"model": ["mlp", "cnn"], "optimizer.lr": ["0.001", "0.01", "0.1"]})
    render_sweep(folder)
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of all sorts by name."""
    parent = tmp_path_factory.mktemp("pages")
    digits = write_digits(parent, "digits")
    render(digits)
    folders = {"digits": digits, "long names": long_names(parent), "sweep": sweep(parent),
               "images": measured("images", parent), "regression": measured("regression", parent)}
    return {name: folder / "report" / "report.html" for name, folder in folders.items()}


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


PAGES = ("digits", "long names", "sweep", "images", "regression")
every_page = pytest.mark.parametrize("name", PAGES)


@every_page
def test_page_is_outlined_for_who_listens(name, pages):
    page = Outline(pages[name].read_text(encoding="utf-8"))
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels)), levels
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("main")) == len(page.all("header")) == 1
    assert [nav["aria-label"] for nav in page.all("nav")] == ["Sections"]
    body = next(place for place, (tag, _, _) in enumerate(page.elements) if tag == "body")
    assert page.elements[body + 1][:2] == ("a", {"class": "skip", "href": "#results"})


@every_page
def test_page_leads_where_its_links_say(name, pages):
    page = Outline(pages[name].read_text(encoding="utf-8"))
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)
    assert {attrs["aria-labelledby"] for attrs in page.all("section")} <= set(ids)
    sections = [attrs["id"] for attrs in page.all("section")]
    assert [link["href"].removeprefix("#") for link in page.within("nav", "a")] == sections


@every_page
def test_page_says_what_tables_and_figures_are(name, pages):
    page = Outline(pages[name].read_text(encoding="utf-8"))
    tables = len(page.all("table"))
    assert tables == len(page.within("table", "caption")) == len(page.within("table", "thead"))
    assert all(cell["scope"] in ("row", "col") for cell in page.all("th"))
    assert all(len(image["alt"]) > 30 for image in page.all("img"))
    assert len(page.all("img")) == len(page.all("figure")) == len(page.all("figcaption"))
    assert len(page.all("details")) == len(page.within("details", "summary"))


def test_page_shows_the_first_sentences_before_the_sections(pages):
    page = Outline(pages["digits"].read_text(encoding="utf-8"))
    said = [page.texts[place] for place, (tag, _, _) in enumerate(page.elements) if tag == "dt"]
    assert said == ["How sure", "What happened", "What next"]


@needs_browser
@every_page
def test_page_overflows_neither_window_nor_paper(name, pages, profile):
    found = measure(pages[name], profile, WINDOWS)
    assert {name: window["width"] for name, window in found.items()} == WINDOWS
    for window in found.values():
        assert window["outside"] == []
        assert window["page"] <= window["window"]
        assert window["images"]
        assert all(alt and shown for alt, shown in window["images"])
    assert found["paper"]["hidden"] == 0, "closed tables are open on paper"


@needs_browser
def test_page_has_nothing_to_complain_of(pages, profile, tmp_path):
    assert [complaints(pages[name], profile) for name in ("images", "sweep")] == [[], []]
    broken = tmp_path / "broken.html"
    bad = '<img src="http://127.0.0.1:9/x.png" alt=""><p style="width: 900px">wide</p></body>'
    broken.write_text(pages["digits"].read_text(encoding="utf-8").replace("</body>", bad), encoding="utf-8")
    assert complaints(broken, profile), "what is loaded is refused, and this test would see it"
    assert measure(broken, profile, {"phone": 375})["phone"]["outside"] == ["P.: wide"], "and what overflows, too"


@needs_browser
def test_page_prints(pages, profile, tmp_path):
    out = tmp_path / "page.pdf"
    run(pages["images"], profile, f"--print-to-pdf={out}", "--no-pdf-header-footer")
    assert out.read_bytes().startswith(b"%PDF")


def colors():
    """Return the colours of the page by name, of light, dark and paper."""
    css = files("dlx.report").joinpath("page.css").read_text(encoding="utf-8")
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", css)]


def luminance(color):
    parts = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", colors(), ids=["light", "dark", "paper"])
def test_page_colors_stand_out_from_their_ground(scheme):
    for ground in ("paper", "panel"):
        for text in ("ink", "soft", "accent"):
            low, high = sorted(luminance(scheme[name]) for name in (ground, text))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ground, text)
