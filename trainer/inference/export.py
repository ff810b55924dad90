"""Export of a finished run as a folder that transformers opens; no file of it needs lmmtc."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import save_file
from torch import Tensor

from sharding import Vocabulary, publish_folder

from ..config import ModelSection
from ..labels import LabelTable
from ..labels.table import CLOZE_BIAS, SCAN_BIAS
from ..model import Model
from ..run.folder import RunFolder
from .loading import TrainedModel

README = """# {name}

A multi-label text classifier with {labels:,} labels, exported by `lmmtc export` at step {step}.

| file | holds |
| --- | --- |
| `config.json`, `model.safetensors` | the text encoder without a pooler, for transformers' `AutoModel` |
| `tokenizer.json` and its settings | the tokenizer, for transformers' `AutoTokenizer` |
| `label_rows.safetensors` | for each label: `vectors`, `scan_bias`, `cloze_bias` |
| `labels.parquet` | `id` (the label's row), `name`, `text`, `training_records` |
| `heads.safetensors` | query head, context, slot embedding, read-out and MLM head, as far as the model has them |

{scores}{context}{neighbours}"""

SCAN = """## Scores of all labels

```python
import pyarrow.parquet as pq, torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

texts = ["a text to be labelled", "another one"]
tokenizer, encoder = AutoTokenizer.from_pretrained("."), AutoModel.from_pretrained(".").eval()
heads, rows = load_file("heads.safetensors"), load_file("label_rows.safetensors")
cut = {{"truncation": True, "max_length": {max_tokens}, "padding": True, "split_special_tokens": True}}
batch = tokenizer(texts, **cut, return_tensors="pt")
with torch.no_grad():
    hidden, mask = encoder(**batch).last_hidden_state, batch["attention_mask"][..., None]
query = {pooled} @ heads["query.project.weight"].T + heads["query.project.bias"]
scores = query @ rows["vectors"].float().T + rows["scan_bias"]
best = pq.read_table("labels.parquet")["name"].take(scores[0].topk(5).indices.numpy())
```

Scores are logits: their sigmoid is a probability. They are those of the text alone: no known labels, no refinement, no
slots, no fusion with other scores. `lmmtc predict` answers with what the run has of these.
"""
POOLED = {"mean": "((hidden * mask).sum(1) / mask.sum(1))", "first": "hidden[:, 0]"}

NO_SCAN = """## Scores

This model has no scan: a label is scored in a slot that stands beside the text, which takes `lmmtc predict`.
"""

CONTEXT = """
## Known labels

The run reads known labels before it scores the others. How they are shown to the encoder is left to `lmmtc predict
--given`; what that takes is in `heads.safetensors`:

| name | holds |
| --- | --- |
| `context.project` | from a label's vector to the input of the encoder |
| `context.states` | what is added for its state: 0 asked (the query slot), 1 yes, 2 no |
| `context.transform`, `context.output` | from the query slot's last state to what is added to the query |
"""

NEIGHBOURS = """
## Neighbour index

The run has a neighbour index of its training records, and `lmmtc predict` may use it. It is not here: it would give
away keys, labels and hashes of the texts of those records.
"""


def export(model: TrainedModel, run: RunFolder, out: Path) -> None:
    """Write the folder `out`, complete or not at all; DataError if there are files in it already."""
    dense, table = model.ranker.model, model.ranker.labels.table
    with publish_folder(out) as folder:
        dense.encoder.save(folder)
        shutil.copytree(run.tokenizer_folder, folder, dirs_exist_ok=True)
        save_file(label_rows(table), folder / "label_rows.safetensors")
        save_file(heads(dense), folder / "heads.safetensors")
        pq.write_table(label_table(model.vocabulary), folder / "labels.parquet")
        about = folder / "README.md"
        about.write_text(readme(model, run), encoding="utf-8")
        for file in folder.glob("*.safetensors"):
            shutil.copymode(about, file)  # safetensors lets nobody but the owner read it


def label_rows(table: LabelTable) -> dict[str, Tensor]:
    """Return all rows by part: vectors [L, E], scan_bias [L], cloze_bias [L]."""
    parts = {
        "vectors": table.vectors_RE,
        "scan_bias": table.biases_R2[:, SCAN_BIAS],
        "cloze_bias": table.biases_R2[:, CLOZE_BIAS],
    }
    return {name: part.cpu().contiguous() for name, part in parts.items()}


def heads(model: Model) -> dict[str, Tensor]:
    """Return all dense parameters that are not the encoder's; the MLM decoder's weight is the word embedding."""
    return {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if not name.startswith("encoder.")
    }


def label_table(vocabulary: Vocabulary) -> pa.Table:
    """Describe each label, in the order of the rows."""
    columns = {"id": np.arange(len(vocabulary)), "name": vocabulary.names, "text": vocabulary.texts}
    return pa.table(columns | {"training_records": vocabulary.counts})


def readme(model: TrainedModel, run: RunFolder) -> str:
    """Say what the files are, what is not there and, where there is a scan, how to score a text with them."""
    scores = _scan_scores(model.config.model) if model.ranker.labels.scans else NO_SCAN
    return README.format(
        name=run.path.resolve().name,
        labels=len(model.vocabulary),
        step=model.step,
        scores=scores,
        context=CONTEXT if model.ranker.model.reads_context else "",
        neighbours=NEIGHBOURS if run.neighbours.is_dir() else "",
    )


def _scan_scores(settings: ModelSection) -> str:
    return SCAN.format(max_tokens=settings.max_tokens, pooled=POOLED[settings.pooling])
