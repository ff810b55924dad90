"""Which runs are made: each with a configuration and a folder of its own, and some with steps that cost as much."""

from itertools import product
from pathlib import Path

import pytest

from benchmarks import quality
from benchmarks.quality.comparison import RATES, Comparison
from benchmarks.quality.variants import BENCHMARKS, Variant
from sharding import Dataset

RECIPES = sorted(Path(quality.__file__).parent.glob("*.toml"))
STEPS = 400


@pytest.fixture(params=product(BENCHMARKS, RECIPES), ids=lambda pair: f"{pair[0]} {pair[1].stem}")
def comparison(request: pytest.FixtureRequest, tiny_dataset: Path) -> Comparison:
    name, recipe = request.param
    return Comparison(BENCHMARKS[name], Dataset.open(tiny_dataset), Path("work"), recipe, STEPS, seeds=2)


def test_every_run_has_a_valid_configuration_and_a_folder_of_its_own(comparison: Comparison) -> None:
    variants = comparison.benchmark.variants
    runs = [
        comparison.run(variant, comparison.steps_of(variant), lr, seed)
        for variant, lr, seed in product(variants, RATES, (0, 1))
    ]
    assert len({run.folder for run in runs}) == len(runs)
    assert [(run.config.train.lr, run.config.run.seed) for run in runs] == [*product(RATES, (0, 1))] * len(variants)
    assert {run.config.cloze.shortlist for run in runs} == {comparison.benchmark.shortlist}


def test_a_variant_trains_the_given_steps_or_as_many_as_cost_the_same(comparison: Comparison) -> None:
    for variant in comparison.benchmark.variants:
        steps, cost = comparison.steps_of(variant), comparison.step_flops(variant)
        if variant.cost_of is None:
            assert steps == STEPS
        else:
            assert steps > STEPS
            assert steps * cost == pytest.approx(
                STEPS * comparison.step_flops(Variant(variant.cost_of, variant.mlm)), abs=cost / 2
            )


def test_what_is_asked_about_given_labels_is_trained_for_it(comparison: Comparison) -> None:
    asked = comparison.benchmark.asked
    assert asked is None or asked in comparison.benchmark.variants


def test_some_of_the_variants_are_compared() -> None:
    debtags = BENCHMARKS["debtags"]
    assert debtags.only(["control + MLM"]).variants == (Variant("control", mlm=True),)
    assert debtags.only(["control + MLM"]).asked is None
    assert debtags.only([variant.name for variant in debtags.variants]) == debtags
    with pytest.raises(ValueError, match=r"no variant controll; there are: control, context \(joint\), control"):
        debtags.only(["controll"])


def test_a_variant_is_named_for_all_that_sets_it_apart() -> None:
    assert Variant("control", mlm=True, cost_of="joint").name == "control + MLM, FLOPs of joint + MLM"
    assert Variant("joint").name == "joint"
