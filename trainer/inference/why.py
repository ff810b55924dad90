"""The words of a text, and the given labels, that a label's score rests on: integrated gradients through the query.

Source: Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks (arXiv:1703.01365): gradient times input, as a
mean over the way from mask tokens to the text. The gradient at the text alone named the wrong words: for a text that
says "perl", and the label for Perl, it put "a" and "library" first.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sharding import Record

from ..errors import ConfigError
from ..model import LabelContext
from .loading import TrainedModel
from .predict import as_batch

STEPS = 8
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Why:
    """What a score rests on, in logits; negative: what speaks against the label.

    Attributes:
        words: Each word that the model reads of the text, with its weight.
        labels: Each known label that it reads, with its weight.
    """

    words: tuple[tuple[str, float], ...]
    labels: tuple[tuple[str, float], ...]


def why(model: TrainedModel, record: Record, label: str, steps: int = STEPS) -> Why:
    """Weigh what the score that the scan gives a label rests on. One rank; costs a batch of `steps` texts, both ways.

    Raises:
        ConfigError: The model has no scan.
        UnknownLabelError: The label, or one that is given, is none of the model's.
    """
    ranker = model.ranker
    if not ranker.labels.scans:
        raise ConfigError("this run has no scan: a label is scored in a slot, and not by a query")
    asked = torch.full((steps, 1), model.vocabulary.id_of(label), device=ranker.device)
    given = {model.vocabulary.id_of(name): true for name, true in record.given}
    words = ranker.model.encoder.word_embeddings
    context = getattr(ranker.model, "context", None)
    project = context.project if isinstance(context, LabelContext) else None
    copies = [replace(record, id=str(number)) for number in range(steps)]
    with ranker.asking(as_batch(model, copies), [given] * steps) as batch, torch.enable_grad():
        masked_I = words.weight[model.tokenizer.spec.mask_id].detach()
        with _on_the_way(words, masked_I) as of_words, _on_the_way(project, None) as of_labels:
            text = ranker.read(batch)
        score = ranker.logits(text.query_BE, asked).sum()
        ways = [*of_words, *of_labels]
        gradients = torch.autograd.grad(score, [inputs for inputs, _ in ways], allow_unused=True)
        weights = [_weights(moved, gradient) for (_, moved), gradient in zip(ways, gradients, strict=True)]
        shown = batch.revealed_BV[0].tolist()
    names = model.vocabulary.names_of([id_ for id_ in shown if id_ >= 0])
    by_label = zip(names, weights[1] if len(weights) > 1 else [], strict=False)
    return Why(tuple(_words(model, record.text, weights[0])), tuple(by_label))


@contextmanager
def _on_the_way(module: nn.Module | None, start_I: Tensor | None) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Let copy s of S of what a module returns first be (s + 1/2) / S of the way from a start, None: 0, to where it is.

    Yields a list that then holds the inputs on the way [S, T, I], to which gradients lead, and the whole way.
    """
    ways: list[tuple[Tensor, Tensor]] = []

    def change(_module: nn.Module, _inputs: object, output_STI: Tensor) -> Tensor:
        start_STI = torch.zeros_like(output_STI) if start_I is None else start_I.expand_as(output_STI)
        way_STI = output_STI.detach() - start_STI
        share_S11 = (torch.arange(len(way_STI), device=way_STI.device) + 0.5)[:, None, None] / len(way_STI)
        ways.append(((start_STI + share_S11 * way_STI).requires_grad_(), way_STI))
        return ways[-1][0]

    handle = module.register_forward_hook(change) if module else None
    try:
        yield ways
    finally:
        if handle:
            handle.remove()


def _weights(way_STI: Tensor, gradient_STI: Tensor | None) -> list[float]:
    if gradient_STI is None:
        return [0.0] * way_STI.shape[1]
    return (way_STI * gradient_STI).sum(dim=-1).mean(dim=0).tolist()


def _words(model: TrainedModel, text: str, weights: list[float]) -> Iterator[tuple[str, float]]:
    """Add up the weights of the tokens that begin in each word."""
    first = len(model.tokenizer.spec.prefix)
    spans = model.tokenizer.spans(text, model.config.model.max_tokens)
    by_start = [(start, weight) for (start, _), weight in zip(spans, weights[first:], strict=False)]
    for word in _WORD.finditer(text):
        own = [weight for start, weight in by_start if word.start() <= start < word.end()]
        if own:
            yield word.group(), sum(own)
