"""No link of a page is dead, in the repository or on the site, and no file names a page that is not there."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.programs import ROOT, tracked_files

FILES = [name for name in tracked_files() if (ROOT / name).is_file()]
PAGES = [name for name in FILES if name.endswith(".md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"\bdocs/[\w./-]+\.(?:md|svg|png|py)\b")
OF_OTHERS = {"docs/compared.md"}  # names files of other projects
TEXT = {".py", ".yml", ".yaml", ".toml", ".sh", ".md", ".in"}


def dead_links(page: Path) -> Iterator[str]:
    """Name the links of a page that lead nowhere; addresses of other servers are not asked."""
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        if not place.exists() or (anchor and not has(place, anchor)):
            yield target


def has(page: Path, anchor: str) -> bool:
    """Whether a heading has this anchor in the repository's browser and on the site: they make them differently."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = [re.sub(r"[`*]|\]\([^)]*\)", "", line) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return any(anchor == by_browser(heading) == by_site(heading) for heading in headings)


def by_browser(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def by_site(heading: str) -> str:
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


@pytest.mark.parametrize("name", PAGES)
def test_no_link_is_dead(name: str) -> None:
    assert list(dead_links(ROOT / name)) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](#a-heading) [b](#another) [c](page.md) [d](gone.md) [e](https://example.org)\n")
    assert list(dead_links(page)) == ["#another", "gone.md"]


def test_every_page_that_a_file_names_is_there() -> None:
    ours = [name for name in FILES if Path(name).suffix in TEXT and name not in OF_OTHERS]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in ours}
    gone = {(name, page) for name, text in texts.items() for page in NAMED.findall(text) if not (ROOT / page).exists()}
    assert gone == set()


def test_the_site_has_each_page_once() -> None:
    hooks = (ROOT / "docs" / "mkdocs_hooks.py").read_text(encoding="utf-8")
    outside = dict(re.findall(r'^    "([\w.]+)": "([\w./]+)",$', hooks, re.MULTILINE))
    own = [name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")]
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(leaves(site["nav"])) == sorted([*own, *outside])
    assert all((ROOT / source).is_file() for source in outside.values())


def leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from leaves(child)
