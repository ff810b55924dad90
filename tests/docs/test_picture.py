"""The picture of the model is what its script draws, and can be read on light and dark pages."""

from xml.etree import ElementTree as ET

from docs import model

DRAWN = (model.DOCS / "model.svg").read_text(encoding="utf-8")


def test_the_picture_is_up_to_date() -> None:
    assert model.picture() == DRAWN, "run: python docs/model.py"


def test_all_of_it_lies_within_its_frame() -> None:
    for box in (*model.INPUT, model.ENCODER, *model.RANKS, model.NEIGHBOURS, model.FUSION):
        assert 0 <= box.x < box.x + box.width <= model.WIDTH
        assert 0 <= box.y < box.y + box.height <= model.HEIGHT


def test_each_class_that_is_drawn_has_a_colour_for_light_and_for_dark_pages() -> None:
    light, dark = DRAWN.split("@media (prefers-color-scheme: dark)")
    elements = ET.fromstring(DRAWN).iter()  # noqa: S314  # our own
    used = {name for element in elements for name in element.get("class", "").split()}
    for name in used - {"left", "option"}:  # which say where text begins, and how lines are dashed
        assert f".{name} {{" in light
        assert f".{name} {{" in dark.partition("</style>")[0]
