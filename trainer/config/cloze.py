"""Settings of the cloze: how revealed labels are read, which labels get slots, and what training reveals."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .section import NonNegative, Positive, Rate, Section, Share


class ClozeSection(Section):
    """How known labels are read, which labels get slots, and what training reveals."""

    enabled: bool = True
    """Without it, the model is a plain one-vs-all head: the control of every claim about the cloze."""
    context: Literal["joint", "prefix", "none"] = "joint"
    """Known labels are read before the scan: in one sequence with the text (joint), or behind the text, which does not
    see them (prefix). The default is none where nothing is scanned."""
    max_context: Positive = 64
    """Labels that are read with one text, at most; training reveals no more, and more that are given are refused."""
    slots: Literal["none", "shortlist", "all"] = "none"
    """The labels that get a slot of their own: none, those that the scan proposes, as a second stage, or all labels,
    and then nothing is scanned."""
    shortlist: Positive = 32
    """Labels K that the scan proposes for each record: those that get slots, and as deep as training looks."""
    attention: Literal["prefix", "joint"] = "prefix"
    """Slots look at the text (prefix), or all slots and the text are one sequence, as published (joint)."""
    label_tokens: Literal[1, 3] = 1
    """Tokens of a label under joint attention: one, or three: its start, its state, its end."""
    chunk: Positive = 64
    """Slots that share one label pass, and see each other."""
    plan: Literal["cooccurrence", "id"] = "cooccurrence"
    """Which labels share a chunk where all have a slot: those that occur together, or neighbours by frequency."""
    driver: Literal["fused", "checkpointed"] | None = None
    """Chunks run once (fused), or once more in backward (checkpointed); unset: fused, but under ZeRO-3 checkpointed."""
    all_masked: Share = 0.5
    """Share of training records that reveal no label; the others reveal 0 to P-1 of their P labels."""
    nearly_all: Share = 0.0
    """Share of the training records that reveal labels which reveal all but one."""
    flip: Share = 0.0
    """Share of revealed labels that are replaced by a false one."""
    shown_no: NonNegative = 0.0
    """Random false labels that are revealed as NO, for each label revealed as YES."""
    denied: Share = 0.0
    """Share of training records that reveal as NO a false label which the scan ranks first: what a person rejects. It
    takes a pass of these records without gradients."""
    without_text: Share = 0.0
    """Share of the training records with revealed labels whose text is cut to at most 7 tokens."""
    lr_scale: Rate = 1.0
    """Learning rate of context, slots and read-outs, as a multiple of train.lr: they are new, the encoder is not."""
    inject: Annotated[int, Field(ge=0)] = 0
    """True labels of a training record with a slot even if the scan misses them, each with 4 false ones as frequent."""

    @model_validator(mode="before")
    @classmethod
    def _has_context_where_it_scans(cls, section: Any) -> Any:
        """Leave the context out by default where no scan could read it."""
        if not isinstance(section, dict) or "context" in section:
            return section
        reads = section.get("enabled", True) and section.get("slots") != "all"
        return section if reads else section | {"context": "none"}

    @model_validator(mode="after")
    def _fits(self) -> "ClozeSection":
        if not self.enabled and (self.slots == "all" or self.reads_context):
            what = "slots = 'all'" if self.slots == "all" else f"context = {self.context!r}"
            raise ValueError(f"cloze.{what}: cloze.enabled = false is a plain head over a scan: leave it out")
        if self.enabled and self.slots == "none" and not self.reads_context:
            raise ValueError("cloze.context = 'none': with cloze.slots = 'none' no label is read: set enabled = false")
        if self.slots == "all" and self.reads_context:
            raise ValueError(
                f"cloze.context = {self.context!r}: with cloze.slots = 'all' nothing is scanned: leave it out"
            )
        if self.attention == "joint" and self.slots != "all":
            raise ValueError("cloze.attention = 'joint': one sequence holds every label: set cloze.slots = 'all'")
        if self.attention == "prefix" and self.label_tokens != 1:
            raise ValueError("cloze.label_tokens = 3: only joint attention has room for them")
        if self.inject and self.slots != "shortlist":
            raise ValueError(
                f"cloze.inject = {self.inject}: adds to slots of a shortlist: set cloze.slots = 'shortlist', or use 0"
            )
        if self.reads_context and self.all_masked == 1:
            raise ValueError(
                f"cloze.all_masked = 1: nothing is revealed to context = {self.context!r}: use less than 1"
            )
        if self.denied and not self.reads_context:
            raise ValueError(f"cloze.denied = {self.denied:g}: only a context shows what the scan ranks first: use 0")
        return self

    @property
    def scans(self) -> bool:
        """Whether a scan over all labels ranks them; otherwise all of them have slots."""
        return self.slots != "all"

    @property
    def has_slots(self) -> bool:
        """Whether labels have slots of their own."""
        return self.enabled and self.slots != "none"

    @property
    def shows_no(self) -> bool:
        """Whether training reveals any label as NO, so that this state means something."""
        return bool(self.shown_no or self.denied or self.flip)

    @property
    def reads_context(self) -> bool:
        """Whether revealed labels are read before the scan."""
        return self.context != "none"

    @property
    def reveals(self) -> bool:
        """Whether training reveals labels at all."""
        return self.enabled and self.all_masked < 1
