"""The page on scale says what plans say now."""

from docs import scale

MOST_BYTES = 150_000


def test_the_page_is_up_to_date() -> None:
    written = (scale.DOCS / "scale.md").read_text(encoding="utf-8")
    assert written == scale.scale(), "run: python docs/scale.py"


def test_its_plot_is_small() -> None:
    assert 0 < (scale.DOCS / "scale.png").stat().st_size < MOST_BYTES


def test_all_plans_on_paper_fit() -> None:
    assert all(case.plan.fits for case in scale.cases())
