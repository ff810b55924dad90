"""The page in a real Chromium: what people do there, with keys and with clicks, and what becomes of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launcher.serving.conftest import Address, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM, reason="chromium (Debian package chromium) is not on PATH"),
    pytest.mark.filterwarnings("default"),  # those of playwright
]

TEXTS = ["topic 3 and topic 9", "topic 12", "<script>alert('topic 1')</script> topic 1"]


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queue") / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"id": str(n), "text": text}) for n, text in enumerate(TEXTS)))
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_server(run: Path, queue: Path) -> Iterator[Address]:
    with serving(run, "--queue", queue) as (address, _):
        yield address


class Seen:
    """A page that collects what should not be: errors, and requests to anybody else."""

    def __init__(self, context: Any, address: str) -> None:
        self.page, self.wrong = context.new_page(), list[str]()
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith(address) or self.wrong.append(request.url))
        self.page.goto(address)

    def introduce(self, name: str) -> None:
        """Give a name, and wait for suggestions."""
        self.page.fill("#person", name)
        self.page.press("#person", "Enter")
        self.wait()

    def wait(self) -> None:
        """Wait for suggestions."""
        self.page.wait_for_selector("#suggestions li")

    def press(self, key: str, until: str) -> None:
        """Press a key and wait until something is true of the page."""
        self.page.keyboard.press(key)
        self.page.wait_for_function(until)

    def labels(self) -> list[str]:
        """List suggestions."""
        return self.page.eval_on_selector_all("#suggestions li", "rows => rows.map(row => row.dataset.label)")

    def answered(self) -> list[str]:
        """List what is answered: "Yes label 3"."""
        rows = "rows => rows.map(row => row.children[0].textContent + ' ' + row.children[1].textContent)"
        return self.page.eval_on_selector_all("#answered li", rows)


def answered(number: int) -> str:
    return f"() => document.querySelectorAll('#answered li').length === {number}"


MOVED = "() => document.querySelectorAll('.rose, .fell').length > 0"


def test_a_text_is_labelled_with_keys_alone_and_the_answer_is_on_disk(
    chromium: Any, page_server: Address, queue: Path
) -> None:
    seen = Seen(chromium.new_context(), page_server)
    seen.introduce("Ann")
    assert seen.page.input_value("#text") == TEXTS[0]
    first = seen.labels()
    seen.press("y", MOVED)  # the first one has the focus
    assert seen.answered() == [f"Yes {first[0]}"]
    assert first[0] not in seen.labels()
    assert "rose by" in seen.page.inner_text("#status") or "fell by" in seen.page.inner_text("#status")
    seen.press("j", "() => document.activeElement.matches('#suggestions li:nth-child(2)')")
    denied = seen.labels()[1]
    seen.press("n", answered(2))
    assert seen.answered() == [f"Yes {first[0]}", f"No {denied}"]
    seen.press("u", answered(1))
    seen.page.wait_for_function(
        f"() => [...document.querySelectorAll('#suggestions li')].some(r => r.dataset.label === {denied!r})"
    )
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("label 33")
    seen.page.wait_for_selector("#found button")
    seen.press("Enter", answered(2))
    seen.page.keyboard.press("Escape")
    seen.page.keyboard.press("w")
    seen.page.wait_for_selector("#why mark")
    seen.press("s", f"() => document.getElementById('text').value === {TEXTS[1]!r}")
    line = json.loads(queue.with_name("texts.answers.jsonl").read_text().splitlines()[-1])
    assert (line["person"], line["id"], line["text"], line["denied"]) == ("Ann", "0", TEXTS[0], [])
    assert line["labels"] == [first[0], "label 33"]
    assert (line["searched"], line["clicks"]) == (["label 33"], 4)
    assert line["first"] == first
    assert seen.wrong == []


def test_a_reload_and_two_windows_keep_what_each_was_doing(chromium: Any, page_server: Address) -> None:
    context = chromium.new_context()
    one = Seen(context, page_server)
    one.introduce("Bo")
    one.press("y", MOVED)
    other = Seen(context, page_server)
    other.wait()
    assert (len(one.answered()), len(other.answered())) == (1, 0)
    one.page.reload()
    one.wait()
    one.page.wait_for_function(answered(1))
    one.press("s", f"() => document.getElementById('text').value === {TEXTS[1]!r}")
    other.page.keyboard.press("s")  # the same record: it goes on, and writes nothing
    other.page.wait_for_function(f"() => document.getElementById('text').value === {TEXTS[1]!r}")
    other.press("x", "() => document.getElementById('text').value.includes('<script>')")
    assert one.wrong + other.wrong == []


def test_a_server_that_stops_and_comes_back_finds_the_page_as_it_was(chromium: Any, run: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(json.dumps({"id": "0", "text": TEXTS[0]}))
    with serving(run, "--queue", tmp_path / "texts.jsonl") as (address, _):
        seen = Seen(chromium.new_context(), address)
        seen.introduce("Cy")
    seen.press("y", "() => document.getElementById('status').textContent.includes('does not answer')")
    with serving(run, "--queue", tmp_path / "texts.jsonl", port=address.port) as (again, program):
        assert again == address
        seen.page.wait_for_function(MOVED, timeout=60_000)
        seen.press("s", "() => document.getElementById('status').textContent.includes('are answered')")
        seen.page.fill("#text", "topic 5, typed by hand")
        seen.wait()
        assert program.poll() is None
    assert len((tmp_path / "texts.answers.jsonl").read_text().splitlines()) == 1


def test_axe_finds_nothing_in_light_and_dark_and_at_twice_the_size(chromium: Any, page_server: Address) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    for scheme, width in (("light", 1280), ("dark", 640)):  # 640 is 1280 at 200 %
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
        seen = Seen(context, page_server)
        seen.introduce(f"Di {scheme}")
        seen.press("y", MOVED)
        seen.page.click("#help summary")
        for path in ("/", "/done", "/docs"):
            if path != "/":
                seen.page.goto(page_server + path)
                seen.page.wait_for_selector("table td, #people, section")
            found = axe.run(seen.page)
            assert found.violations_count == 0, found.generate_report()
            assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_done_and_docs_show_what_there_is(chromium: Any, page_server: Address) -> None:
    seen = Seen(chromium.new_context(), page_server)
    seen.page.goto(f"{page_server}/done")
    seen.page.wait_for_selector("#people th")
    seen.page.goto(f"{page_server}/docs#busy")
    seen.page.wait_for_selector("tr#busy")
    assert "POST /v1/predict" in seen.page.inner_text("main")
    assert seen.wrong == []


@pytest.mark.nightly
def test_a_token_is_asked_for_once(chromium: Any, run: Path) -> None:
    with serving(run, token="secret") as (address, _):  # noqa: S106
        seen = Seen(chromium.new_context(), address)
        seen.page.wait_for_selector("#token-form:not([hidden])")
        seen.page.fill("#token", "secret")
        seen.page.press("#token", "Enter")
        seen.page.fill("#text", "topic 5")
        seen.wait()
        seen.page.reload()
        seen.page.wait_for_function("() => document.getElementById('model').textContent.includes('48 labels')")
        assert seen.page.is_hidden("#token-form")
