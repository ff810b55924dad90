"""What mkdocs asks when it builds the site: pages that lie outside of docs/, and links that lead there.

Links in a page are those of the repository, so that it can be read there as well. On the site a link to a page leads to
the page, wherever its file lies, and a link to any other file of the repository becomes the file's name.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# Page of the site: file of the repository.
OUTSIDE = {
    "index.md": "README.md",
    "architecture.md": "ARCHITECTURE.md",
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "results.md": "benchmarks/quality/RESULTS.md",
}
PAGES = {source: page for page, source in OUTSIDE.items()}
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside."""
    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_rest: object) -> str:
    """Make its links fit."""
    return with_links_of_the_site(markdown, page.file.src_uri)


def with_links_of_the_site(markdown: str, page: str) -> str:
    """Turn the links of a page, whose place on the site is given, into those of the site."""
    return LINK.sub(lambda found: _link(found, page), markdown)


def _link(found: re.Match[str], page: str) -> str:
    target, _, anchor = found["target"].partition("#")
    if not target or "://" in target:
        return found[0]
    source = OUTSIDE.get(page, f"docs/{page}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if not (place := PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)):
        return f"{found['text']} (`{path}`)" if found["text"].strip("`") != path else f"`{path}`"
    hash_and_anchor = f"#{anchor}" if anchor else ""
    relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
    return f"{found['picture']}[{found['text']}]({relative}{hash_and_anchor})"
