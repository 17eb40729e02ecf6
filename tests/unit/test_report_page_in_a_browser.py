"""The page of a run as a browser has it; skipped where there is none."""

import os
import re
import shutil
import subprocess

import pytest
from made_up_runs import write_run

from lass_plugin.report_page.page import write_page

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no browser here")


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """The browser with a page of a run; gives what it prints and what it says."""
    folder = tmp_path_factory.mktemp("browser")
    page = write_page(write_run(folder / "out"), folder / "report.html")

    def run(*words: str, script: str = "") -> tuple[str, str]:
        if script:  # the policy of the page would forbid it
            text = page.read_text(encoding="utf-8")
            text = re.sub("<meta http-equiv[^>]*>", "", text)
            text = text.replace("</body>", f"<script>{script}</script></body>")
            (folder / "tried.html").write_text(text, encoding="utf-8")
        name = "tried.html" if script else "report.html"
        done = subprocess.run(
            [
                *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--no-first-run", "--enable-logging=stderr", "--log-level=0"),
                *(f"--user-data-dir={folder / 'profile'}", "--timeout=20000"),
                *words,
                (folder / name).as_uri(),
            ],
            capture_output=True,
            timeout=110,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode(), done.stderr.decode()

    run.folder = folder
    return run


SIZES = """
const wide = [...document.querySelectorAll("body *")].filter(
    each => !each.closest(".table, pre, svg")
        && each.getBoundingClientRect().right > innerWidth + 1);
const drawn = document.querySelector("figure svg use").getBoundingClientRect();
document.title = JSON.stringify({
    "wide": wide.map(each => each.outerHTML.slice(0, 80)),
    "tables": [...document.querySelectorAll("main table")].length,
    "clip": getComputedStyle(document.querySelector("figure svg g")).clipPath,
    "right": getComputedStyle(document.querySelector("dd[lang=he]")).direction,
    "drawn": drawn.width > 0,
});
"""


@pytest.mark.slow
def test_the_page_stands_without_an_error_and_fits_a_phone(browse):
    dom, said = browse("--dump-dom")
    assert "CONSOLE" not in said and "Refused" not in said
    assert dom.count("<table>") == 10 and dom.count("<svg ") == 1
    assert "prefers-color-scheme" in dom
    dom, _ = browse("--dump-dom", "--window-size=500,900", script=SIZES)
    found = re.search("<title>(.*?)</title>", dom)[1]
    assert found == (
        '{"wide":[],"tables":10,"clip":"url(\\"#p1-box\\")","right":"rtl","drawn":true}'
    )


@pytest.mark.slow
def test_the_page_can_be_printed_with_all_that_is_folded_up(browse):
    place = browse.folder / "page.pdf"
    browse("--no-pdf-header-footer", f"--print-to-pdf={place}")
    content = place.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 2
    if shutil.which("pdftotext"):
        read = subprocess.run(
            ["pdftotext", "-layout", str(place), "-"], capture_output=True, check=True
        ).stdout.decode()
        assert "--max-update" in read  # within details
        assert "Win ratio (chrF" in read and "OMP_NUM_THREADS=1" in read
