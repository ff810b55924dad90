"""`lmmtc export`: transformers opens the folder, its README's code scores as the run does; and what is refused."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sharding import Record
from tests.launcher.conftest import Lmmtc, copy_with
from trainer.inference.export import export, heads, readme
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import predict
from trainer.run.folder import RunFolder
from trainer.training.components import build_model

pytestmark = pytest.mark.ranks

TEXTS = ["topic 3 and topic 4", "", "a [MASK] that masks nothing", "topic 9 and so on " * 20]
SHORTLIST = 12


@pytest.fixture
def exported(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> Path:
    """Export the trained run."""
    assert lmmtc("export", trained, tmp_path / "exported").code == 0
    return tmp_path / "exported"


def run_readme(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the code of the README as a reader would, on other texts; return what it has named."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code.replace('["a text to be labelled", "another one"]', repr(TEXTS)), names)  # noqa: S102
    assert names["texts"] == TEXTS
    return names


def assert_scores_of(run: Path, scores_BL: Tensor) -> None:
    """Compare with the best labels of a run whose answer is the scan's."""
    model = TrainedModel.load(run)
    records = [Record(id="", text=text, labels=()) for text in TEXTS]
    for prediction, scores_L in zip(predict(model, records, SHORTLIST), scores_BL, strict=True):
        ids = list(map(model.vocabulary.id_of, prediction.labels))
        assert scores_L.topk(SHORTLIST).indices.tolist() == ids
        # fp32: another attention kernel adds in another order.
        assert scores_L[ids].tolist() == pytest.approx(prediction.scores, rel=1e-4, abs=1e-4)


def test_the_code_of_its_readme_scores_as_the_scan_does(
    exported: Path, without_cloze: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run_readme(exported, monkeypatch)
    assert_scores_of(without_cloze, names["scores"])
    model = TrainedModel.load(without_cloze)
    assert names["best"].to_pylist() == model.vocabulary.names_of(names["scores"][0].topk(5).indices.numpy())


def test_the_readme_pools_as_the_run_does(
    lmmtc: Lmmtc, without_cloze: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = copy_with(without_cloze, tmp_path / "first", "model", "pooling", value="first")
    assert lmmtc("export", first, tmp_path / "exported").code == 0
    assert_scores_of(first, run_readme(tmp_path / "exported", monkeypatch)["scores"])


def test_rows_heads_and_labels_are_all_there(exported: Path, trained: Path) -> None:
    model = TrainedModel.load(trained)
    dense = load_file(exported / "heads.safetensors")
    assert dense.keys() == {
        name for name, _ in model.ranker.model.named_parameters() if not name.startswith("encoder.")
    }
    assert {name.split(".")[0] for name in dense} == {"query", "slots", "readout", "mlm"}
    for name, tensor in dense.items():
        assert torch.equal(tensor, model.ranker.model.get_parameter(name))
    rows, table = load_file(exported / "label_rows.safetensors"), model.ranker.labels.table
    together = torch.cat([rows["vectors"], rows["scan_bias"][:, None], rows["cloze_bias"][:, None]], dim=1)
    assert torch.equal(together, table.rows(slice(None)))
    labels = pq.read_table(exported / "labels.parquet").to_pydict()
    assert labels == {
        "id": list(range(48)),
        "name": model.vocabulary.names.to_pylist(),
        "text": model.vocabulary.texts.to_pylist(),
        "training_records": model.vocabulary.counts.tolist(),
    }


@pytest.mark.parametrize("context", ["none", "joint"])
def test_the_readme_names_what_reads_known_labels_where_a_run_has_it(trained: Path, context: str) -> None:
    loaded = TrainedModel.load(trained)
    cloze = loaded.config.cloze.model_copy(update={"context": context})
    model = build_model(loaded.config.model_copy(update={"cloze": cloze}))
    about = readme(replace(loaded, ranker=replace(loaded.ranker, model=model)), RunFolder(trained))
    named = set(re.findall(r"`(context\.\w+)`", about))
    assert named == {".".join(name.split(".")[:2]) for name in heads(model) if name.startswith("context.")}
    assert bool(named) == (context == "joint") == ("## Known labels" in about)
    assert "They are those of the text alone" in about


def test_everybody_who_may_read_one_file_may_read_all(exported: Path) -> None:
    assert len({path.stat().st_mode for path in exported.iterdir()}) == 1


def test_a_run_without_a_scan_is_exported_without_code_for_one(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    slots = copy_with(trained, tmp_path / "slots", "cloze", "slots", value="all")
    assert lmmtc("export", slots, tmp_path / "exported").code == 0
    text = (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")
    assert "This model has no scan" in text
    assert "```" not in text
    assert not [name for name in load_file(tmp_path / "exported" / "heads.safetensors") if name.startswith("query.")]


def test_a_folder_with_files_is_refused_and_stays_as_it_was(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    said = lmmtc("export", trained, tmp_path)
    message = f"DataError: {tmp_path}: is there already: name a folder that is new, or empty\n"
    assert (said.code, said.err) == (78, message)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_that_fails_leaves_nothing_behind(trained: Path, tmp_path: Path) -> None:
    model = TrainedModel.load(trained)
    with pytest.raises(FileNotFoundError):  # its tokenizer
        export(model, RunFolder(tmp_path / "gone"), tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_named(lmmtc: Lmmtc, tmp_path: Path) -> None:
    said = lmmtc("export", tmp_path, tmp_path / "exported")
    message = f"ConfigError: {tmp_path}: is not the folder of a run: it has no config.json\n"
    assert (said.code, said.err) == (78, message)
    assert list(tmp_path.iterdir()) == []
