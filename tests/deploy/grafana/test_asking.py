"""How lines are called."""

from deploy.grafana.asking import Line


def test_a_legend_is_filled_with_labels_and_a_missing_one_leaves_nothing() -> None:
    line = Line({"run_id": "first", "kind": "lost"}, [])
    assert line.name("{{run_id}}: {{kind}} {{rank}}") == "first: lost "
    assert line.name("all") == "all"
