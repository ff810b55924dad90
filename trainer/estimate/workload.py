"""The workload of one rank in a micro-step: sizes of all passes, from a Config, an encoder's shape and a corpus."""

from dataclasses import dataclass
from functools import cached_property

from ..config import Config, accumulation_steps, buffers_gradients
from .shape import EncoderShape

_ASKED = 5  # slots of an injected label: itself and 4 false ones


@dataclass(frozen=True)
class Corpus:
    """What is to be learned.

    Attributes:
        labels: Labels of the vocabulary.
        records: Training records.
        positives: True labels of a record, on average.
        tokens: Tokens of the longest text.
    """

    labels: int
    records: int
    positives: float
    tokens: int


@dataclass(frozen=True)
class Pass:
    """A pass of the encoder.

    Attributes:
        records: Records that it reads.
        own: Tokens of each.
        seen: Tokens that each of these sees.
        masked: Whether who sees whom is a matrix of its own for each record.
    """

    records: float
    own: int
    seen: int
    masked: bool = False


@dataclass(frozen=True)
class Workload:
    """A run on so many ranks. Shape letters are those of CONTRIBUTING.md."""

    config: Config
    shape: EncoderShape
    corpus: Corpus
    world_size: int

    @cached_property
    def accumulation(self) -> int:
        """Micro-steps in an optimizer step; ConfigError when ranks cannot share a batch."""
        return accumulation_steps(self.config, self.world_size)

    @property
    def records(self) -> int:
        """B: records of a micro-step; a budget of tokens allows fewer where texts are long."""
        train = self.config.train
        if train.micro_tokens is None:
            return train.global_batch // self.world_size // self.accumulation
        return max(min(train.micro_batch, train.micro_tokens // self.tokens), 1)

    @property
    def tokens(self) -> int:
        """T: of a text, as padded."""
        return min(self.config.model.max_tokens, self.corpus.tokens)

    @property
    def scans(self) -> bool:
        """Whether there is a scan; else all labels have slots."""
        return self.config.cloze.scans

    @property
    def is_joint(self) -> bool:
        """Whether labels and text are one sequence."""
        return self.config.cloze.attention == "joint"

    @property
    def is_fused(self) -> bool:
        """Whether chunks run once, and not once more in backward."""
        return self.config.driver == "fused"

    @property
    def queries(self) -> int:
        """Q: all ranks scan for the records of all."""
        return self.records * self.world_size

    @property
    def rows(self) -> int:
        """R: of the rank with most of them."""
        return -(-self.corpus.labels // self.world_size)

    @property
    def label_width(self) -> int:
        """E."""
        return self.config.model.label_width or self.shape.width

    @property
    def row_width(self) -> int:
        """Numbers in the vector of a row."""
        return self.label_width * (2 if self.config.cloze.label_tokens == 3 else 1)

    @property
    def shortlist(self) -> int:
        """Labels of a record that the scan proposes."""
        return min(self.config.cloze.shortlist, self.corpus.labels)

    @property
    def slots(self) -> int:
        """K: of a record; 0 where labels have none."""
        cloze = self.config.cloze
        if not cloze.has_slots:
            return 0
        return self.shortlist + _ASKED * cloze.inject if self.scans else self.corpus.labels

    @property
    def revealed(self) -> int:
        """V: some record of a batch shows nearly all of its labels; records with more than the mean are not known."""
        cloze = self.config.cloze
        if not cloze.reveals:
            return 0
        shown = min(round(self._all_but_one * (1 + cloze.shown_no)), cloze.max_context)
        return max(shown, 1) + bool(cloze.denied)

    @property
    def mean_revealed(self) -> float:
        """Labels that a record reveals on average: some reveal none, and of the others most reveal 0 to P-1 of P."""
        cloze = self.config.cloze
        if not cloze.reveals:
            return 0.0
        share = (1 - cloze.all_masked) * (0.5 + 0.5 * cloze.nearly_all)
        return share * min(self._all_but_one * (1 + cloze.shown_no), cloze.max_context) + cloze.denied

    @property
    def context_tokens(self) -> int:
        """Tokens of the revealed labels and of the query slot, where they are read before the scan."""
        return self.revealed + 1 if self.config.cloze.reads_context else 0

    @property
    def masked_tokens(self) -> int:
        """M: tokens of a micro-step that are decoded."""
        share = self.config.mlm.probability if self.config.mlm.weight else 0
        return round(share * self.tokens * self.records)

    @property
    def text_pass(self) -> Pass:
        """The pass that reads the texts, with revealed labels, or under joint attention with all labels beside them."""
        labels = self.slots * self.config.cloze.label_tokens if self.is_joint else 0
        context = self.context_tokens if self.config.cloze.context == "joint" else 0
        size = self.tokens + labels + context
        return Pass(self.records, size, size, masked=context > 0)

    @property
    def context_pass(self) -> Pass:
        """The pass that reads revealed labels behind the text, which does not see them, or an empty one."""
        own = self.context_tokens if self.config.cloze.context == "prefix" else 0
        return Pass(self.records, own, self.tokens + own, masked=True)

    @property
    def denying_pass(self) -> Pass:
        """The pass, without gradients, of the texts whose best false label is revealed as NO, or an empty one."""
        return Pass(self.records * self.config.cloze.denied, self.tokens, self.tokens)

    @property
    def own_pass(self) -> Pass:
        """The pass that reads masked texts for MLM alone, or an empty one."""
        tokens = self.tokens if self.config.mlm.own_pass and self.config.mlm.weight else 0
        return Pass(self.records, tokens, tokens)

    @property
    def revealed_pass(self) -> Pass:
        """The pass that puts revealed slots behind the text, where they are not read before the scan."""
        shown = 0 if self.is_joint or self.context_tokens else self.revealed
        return Pass(self.records, shown, self.tokens + shown)

    @property
    def chunk_pass(self) -> Pass:
        """The pass over one chunk of masked slots."""
        size = 0 if self.is_joint else min(self.config.cloze.chunk, self.slots)
        return Pass(self.records, size, self.tokens + (self.context_tokens or self.revealed) + size)

    @property
    def chunks(self) -> float:
        """How many such passes there are; one that is not full counts as its share."""
        return self.slots / self.chunk_pass.own if self.chunk_pass.own else 0

    @property
    def parameters(self) -> int:
        """Count the dense part: encoder, query, MLM head, context, slots and their read-outs."""
        shape, width, words = self.shape, self.label_width, self.shape.embedding_size
        query = (shape.width + 1) * width if self.scans else 0
        mlm = (shape.width + 3) * words + shape.vocab_size if self.config.mlm.weight else 0
        return shape.parameters + query + mlm + self._context_heads + self._slot_heads

    @property
    def slot_parameters(self) -> int:
        """Count those that a label pass uses: not the words, nor what reads texts alone."""
        return self.shape.parameters - self.shape.word_parameters + self._slot_heads

    @property
    def _slot_heads(self) -> int:
        """Count projection and states of slots, and their read-out."""
        width, words = self.label_width, self.shape.embedding_size
        if not self.slots:
            return 0
        return (0 if width == words else width * words) + 3 * words + self._readout

    @property
    def _context_heads(self) -> int:
        """Count projection, with its bias, and states of the context, and its read-out."""
        width, words = self.label_width, self.shape.embedding_size
        return (width + 1) * words + 3 * words + self._readout if self.context_tokens else 0

    @property
    def _readout(self) -> int:
        """Count the transform of a hidden state, with its norm, and the output."""
        return (self.shape.width + 3) * self.shape.width + (self.shape.width + 1) * self.label_width

    @property
    def _all_but_one(self) -> float:
        """Labels of a record but one, as many as may be revealed."""
        return max(self.corpus.positives - 1, 0.0)

    @property
    def buffers_gradients(self) -> bool:
        """Whether row gradients of a step are added up in a buffer."""
        return buffers_gradients(self.config, self.world_size)
