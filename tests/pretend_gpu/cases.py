"""Configurations that a GPU must train: forms, optimisers, placements, precisions, drivers, contexts."""

from typing import Any

Sections = dict[str, dict[str, Any]]

_ADAM, _ADAGRAD = {"optimizer": "adam", "lr": 0.01}, {"optimizer": "rowwise_adagrad", "precision": "bf16", "lr": 0.1}
_HOST, _CONTEXT = {"placement": "host"}, {"context": "joint", "slots": "none", "max_context": 4}

QUICK: dict[str, Sections] = {
    "sgd": {},
    "adagrad bf16 rows": {"labels": _ADAGRAD},
    "adagrad bf16 rows on the host, some negatives": {"labels": _ADAGRAD | _HOST | {"negative_share": 0.4}},
    "adam, clip, decay": {"labels": _ADAM | {"clip": 0.1, "weight_decay": 0.1}},
    "accumulation": {"train": {"micro_batch": 8}},
    "context": {"cloze": _CONTEXT | {"denied": 0.3, "shown_no": 0.3}, "labels": _ADAGRAD},
    "context as a prefix, slots": {"cloze": _CONTEXT | {"context": "prefix", "slots": "shortlist"}},
    "all slots": {"cloze": {"slots": "all", "chunk": 7}},
    "joint, three label tokens": {"cloze": {"slots": "all", "attention": "joint", "label_tokens": 3}},
    "bf16, checkpointed": {"train": {"precision": "bf16"}, "cloze": {"driver": "checkpointed"}},
    "propensity, forced candidates": {"labels": _ADAM | {"propensity": True}, "cloze": {"inject": 2, "flip": 0.1}},
}
NIGHTLY: dict[str, Sections] = {
    "sgd bf16 rows": {"labels": {"precision": "bf16"}},
    "sgd on the host": {"labels": _HOST},
    "adam on the host, buffered": {"labels": _ADAM | _HOST | {"buffer_gradients": True}},
    "adam, some negatives": {"labels": _ADAM | {"negative_share": 0.4}},
    "propensity, host, some negatives": {"labels": _ADAM | _HOST | {"propensity": True, "negative_share": 0.4}},
    "own labels barred": {"data": {"bar_own_label": True}},
    "all slots on the host": {"cloze": {"slots": "all", "chunk": 7}, "labels": _ADAM | _HOST},
    "joint": {"cloze": {"slots": "all", "attention": "joint"}},
    "no cloze": {"cloze": {"enabled": False, "slots": "none"}},
    "MLM has its own pass": {"mlm": {"own_pass": True}},
    "narrow labels": {"model": {"label_width": 20}},
    "first token": {"model": {"pooling": "first"}},
    "budget of tokens": {"train": {"micro_batch": 8, "micro_tokens": 96}},
    "bf16": {"train": {"precision": "bf16"}},
    "bf16, context": {"train": {"precision": "bf16"}, "cloze": _CONTEXT},
    "label texts": {"labels": {"init": "text"}},
}
