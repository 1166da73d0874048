"""The whole book as one PDF, figures and all: its pages in reading order as one page, printed by Chromium."""

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from cgnlib.paths import atomic_file, build_folder
from cgnreport.build import ReportError
from cgnreport.build.places import book_pages

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync")
SECONDS = 600  # that printing may take; pages on which scripts draw get a tenth of it, in the browser's own time
LINK = re.compile(r'(?<=<span class="cgn-pdf">).*?(?=</span>)', re.DOTALL)  # the front page's; empty without a PDF
STYLE = """<style>
@page { size: A4; margin: 15mm 14mm 17mm; @bottom-center { content: counter(page); font: 8pt sans-serif; } }
html { font-size: 78%; } body { background: #fff; }
section.page { break-before: page; } section.page:first-of-type { break-before: auto; }
pre, code { white-space: pre-wrap !important; overflow-wrap: anywhere; }
.bd-article * { max-height: none !important; overflow: visible !important; }
table { font-size: 7.5pt !important; } td, th { white-space: normal !important; padding: 0.15em 0.4em !important; }
tr, img, figure, .cgn-box, .cgn-explorer { break-inside: avoid; }
.headerlink, .copybtn, details.hide.above-input { display: none !important; }
</style>"""


def print_page(book: Path) -> str:
    """All pages of a built book as the HTML of one, to lie in its folder `notebooks`.

    What is folded is open, but for code that the pages hide. Links between pages lead to places in it; those to other
    files of the book, the PDF among them, are dropped.
    """
    names, parts, head = [Path(page).name for page in book_pages()], [], ""
    for page, name in zip(book_pages(), names, strict=True):
        text = (book / f"{page}.html").read_text(encoding="utf-8")
        if not head and page.startswith("notebooks/"):
            head = text.partition("<head>")[2].partition("</head>")[0]
        article = text.partition('<article class="bd-article">')[2].partition("</article>")[0]
        parts.append(f'<section class="page bd-article" id="page-{name}">{article}</section>')
    body = re.sub(r"<details(?![^>]*\b(?:above-input|open)\b)", "<details open", LINK.sub("", "\n".join(parts)))

    def target(link: re.Match[str]) -> str:
        name = Path(link[1].partition("#")[0]).stem
        return f'href="#page-{name}"' if name in names else ""

    body = re.sub(r'href="(?!#|https?:)([^"]*)"', target, body)
    light = '<!doctype html><html lang="en" data-theme="light" data-mode="light">'
    return f'{light}<head>{head}{STYLE}</head><body class="bd-content">{body}</body></html>'


def make_pdf(profile: str) -> Path:
    """Print the book built last at a profile to report.pdf in its folder; the front page then has a link to it.

    Raises ReportError without a book or a browser, and with the browser's words where it fails.
    """
    book = build_folder() / "book" / profile
    if not (book / "index.html").exists():
        raise ReportError(f"no book at scale {profile} to print: make report PROFILE={profile}")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ReportError("printing needs Chromium or Chrome: install it (Debian: apt install chromium)")
    source, pdf = book / "notebooks" / "print.html", book / "report.pdf"
    source.write_text(print_page(book), encoding="utf-8")
    with tempfile.TemporaryDirectory() as user:
        options = [*FLAGS, f"user-data-dir={user}", f"virtual-time-budget={100 * SECONDS}", "no-pdf-header-footer"]
        command = [browser, *(f"--{option}" for option in options), f"--print-to-pdf={pdf}", source.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise ReportError(f"printing took longer than {SECONDS} s") from None
        finally:
            source.unlink()
    if done.returncode or not pdf.exists():
        raise ReportError(f"the book was not printed:\n{done.stderr[-2000:]}")
    front = book / f"{book_pages()[0]}.html"
    link = f'<a href="../{pdf.name}">The whole report as one PDF</a> ({pdf.stat().st_size / 1e6:.1f} MB).'
    with atomic_file(front) as partial:
        partial.write_text(LINK.sub(link, front.read_text(encoding="utf-8")), encoding="utf-8")
    return pdf


def main(given: argparse.Namespace) -> int:
    """The command `pdf`: prints where it lies."""
    print(f"The book as one file: {make_pdf(given.profile).as_uri()}")
    return 0
