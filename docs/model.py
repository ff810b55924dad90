"""Draws docs/model.svg, the picture of the model in the README, for light and dark pages: `python docs/model.py`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
WIDTH, HEIGHT = 880, 312
HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">
<title id="title">Known labels and a text go through one encoder; its query is compared with the rows of all labels, \
split over ranks; neighbours and the scan are fused into the ranking of all other labels</title>
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }}
.small {{ font-size: 11px; fill: #59636e }}
.left {{ text-anchor: start }}
.box {{ fill: #f6f8fa; stroke: #818b98 }}
.known {{ fill: #dafbe1; stroke: #1a7f37 }}
.asked {{ fill: #ddf4ff; stroke: #0969da }}
.arrow {{ fill: none; stroke: #59636e; stroke-width: 1.5; marker-end: url(#head) }}
.head {{ fill: #59636e }}
.option {{ stroke-dasharray: 5 4 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #f0f6fc }}
.small {{ fill: #9198a1 }}
.box {{ fill: #151b23; stroke: #656c76 }}
.known {{ fill: #12261e; stroke: #3fb950 }}
.asked {{ fill: #121d2f; stroke: #4493f8 }}
.arrow {{ stroke: #9198a1 }}
.head {{ fill: #9198a1 }}
}}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>
"""


@dataclass(frozen=True)
class Box:
    """A rectangle with a line of text in its middle, and perhaps a smaller one below it."""

    x: int
    y: int
    width: int
    height: int
    line: str
    below: str = ""
    kind: str = "box"

    def draw(self) -> Iterator[str]:
        """Write its elements."""
        middle, centre = self.x + self.width // 2, self.y + self.height // 2
        place = f'x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}"'
        yield f'<rect class="{self.kind}" {place} rx="6"/>'
        yield f'<text x="{middle}" y="{centre + (-3 if self.below else 5)}">{self.line}</text>'
        if self.below:
            yield f'<text class="small" x="{middle}" y="{centre + 14}">{self.below}</text>'


INPUT = (
    Box(20, 66, 170, 34, "text"),
    Box(20, 108, 170, 34, "E11 = YES", kind="known"),
    Box(20, 150, 170, 34, "I10 = NO", kind="known"),
    Box(20, 192, 170, 34, "? all other labels", kind="asked"),
)
ENCODER = Box(240, 66, 130, 160, "encoder", "of Hugging Face")
RANKS = tuple(Box(470, 66 + 54 * rank, 190, 44, f"rows of rank {rank}", "chunk by chunk") for rank in range(3))
NEIGHBOURS = Box(470, 252, 190, 44, "neighbour index", "an option: training records vote", kind="box option")
FUSION = Box(720, 108, 140, 76, "ranking", "of all labels, fused", kind="asked")


def picture() -> str:
    """Draw the way from a text and its known labels to the ranking of all others."""
    return HEAD + "\n".join(_elements()) + "\n</svg>\n"


def _elements() -> Iterator[str]:
    for box in (*INPUT, ENCODER, *RANKS, NEIGHBOURS, FUSION):
        yield from box.draw()
    yield from _headings(((105, "one sequence"), (305, "one pass"), (565, "scan of the label table"), (790, "answer")))
    for box in INPUT:
        yield _arrow((190, box.y + 17), (238, box.y + 17))
    for box in RANKS:
        yield _arrow((370, 146), (410, 146), (430, box.y + 22), (468, box.y + 22))
        yield _arrow((660, box.y + 22), (690, box.y + 22), (700, 146), (718, 146))
    yield _arrow((305, 226), (305, 274), (468, 274))
    yield _arrow((660, 274), (790, 274), (790, 186))
    yield '<text class="small" x="390" y="138">query</text>'
    yield '<text class="small left" x="20" y="246">known labels are tokens; the last</text>'
    yield '<text class="small left" x="20" y="262">one asks for what is not known</text>'
    yield '<text class="small" x="565" y="57">no step builds a records x labels matrix</text>'


def _headings(named: Sequence[tuple[int, str]]) -> Iterator[str]:
    for x, name in named:
        yield f'<text x="{x}" y="38" font-weight="bold">{name}</text>'


def _arrow(*points: tuple[int, int]) -> str:
    path = "L".join(f"{x} {y}" for x, y in points)
    return f'<path class="arrow" d="M{path}"/>'


if __name__ == "__main__":
    (DOCS / "model.svg").write_text(picture(), encoding="utf-8")
