"""Every setting of a run: name, type, default, bounds and meaning; docs/configuration.md is made of it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sharding import TRAIN, Kind

from .cloze import ClozeSection
from .neighbours import NeighboursSection
from .section import NonNegative, Positive, Rate, Section, Share
from .train import TrainSection

COLLECTIVE_SECONDS = 1800  # how long a rank waits for the others before torch.distributed raises
_DROPOUTS = {"hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"}  # BERT's, others'
_DROPOUTS |= {"embedding_dropout", "mlp_dropout"}  # ModernBERT's


class RunSection(Section):
    """Where a run keeps its files, and the seed of all its randomness."""

    folder: Path
    """Checkpoints, events and the model are written here; a run that is started again goes on from here."""
    seed: int = 0
    """Seed of the order of records, masks, new parameters and new label rows."""
    init_from: Path | None = None
    """Folder of a trained run whose parameters a new run begins with, and whose rows for labels of the same name."""
    threads: Positive | None = None
    """CPU threads of each rank; without it, the starter's OMP_NUM_THREADS or torch decides."""
    stall_seconds: Annotated[float, Field(gt=0)] = 540
    """A rank in which no step, evaluation batch or save has ended for so long is ended, and says where it was; NCCL and
    gloo give up after 1800, and say less."""
    record_log: bool = False
    """Write down which records each step read, by id, in run.folder/records: one folder a start, one file a rank."""

    @model_validator(mode="after")
    def _fits(self) -> "RunSection":
        if self.stall_seconds >= COLLECTIVE_SECONDS:
            raise ValueError(
                f"run.stall_seconds = {self.stall_seconds:g}: must be below {COLLECTIVE_SECONDS}, the seconds after "
                "which torch.distributed gives up waiting for a rank and says less"
            )
        return self


class DataSection(Section):
    """What is read."""

    dataset: str
    """Folder that `lmmtc shard` has written, or its address in a bucket, s3://bucket/prefix."""
    cache: Path | None = None
    """Folder on a local disk, shared by the ranks of a node, for shards of a data set in a bucket."""
    cache_gib: Annotated[float, Field(gt=0)] | None = None
    """Most GiB of shards that are kept there; unset: all that are read."""
    format: Kind | None = None
    """Which of its formats is read; unset: arrow where there is that, else webdataset. All hold the same records."""
    dev_split: str = "dev"
    """Split for the look during training, and for tuning the threshold of F1."""
    bar_own_label: bool = False
    """Never propose a label for the record whose id is that label's name, as where codes are labelled with codes."""
    lanes: Positive = 64
    """Parallel lanes of the shuffled order; a multiple of the number of nodes keeps each shard on one node."""

    @model_validator(mode="before")
    @classmethod
    def _has_one_split_to_learn_from(cls, section: object) -> object:
        """Pass over what runs of an earlier version name; no other one could be learned from rightly."""
        if not isinstance(section, dict) or "train_split" not in section:
            return section
        if section["train_split"] != TRAIN:
            raise ValueError(f"data.train_split: label counts are those of the split {TRAIN!r}: leave it out")
        return {key: value for key, value in section.items() if key != "train_split"}

    @field_validator("dataset", mode="before")
    @classmethod
    def _spelt_out(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @field_validator("dataset")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        is_folder = "://" not in value or value.startswith("file:///")
        return value if is_folder else bucket_address("data.dataset", value)


class ModelSection(Section):
    """The text encoder and how a text becomes one query for the scan."""

    encoder: Path
    """Folder of a Hugging Face encoder: config.json and model.safetensors."""
    layers: Positive | None = None
    """Only the first so many layers of it."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Dropout of hidden states and attention weights in training; unset: as the encoder's config.json has it."""
    max_tokens: Annotated[int, Field(ge=3)] = 128
    """Tokens of a text that are read, special tokens counted."""
    pooling: Literal["mean", "first"] = "mean"
    """The query is made from the mean of all hidden states, or from the first token's."""
    label_width: Positive | None = None
    """Width E of a label's vector; without it, the encoder's width."""

    def dropouts(self, fields: Mapping[str, Any]) -> dict[str, float]:
        """Overwrite, by `dropout`, what the fields of an encoder's config.json say of it."""
        return {} if self.dropout is None else dict.fromkeys(_DROPOUTS & fields.keys(), self.dropout)


class LabelsSection(Section):
    """The label table, its optimiser and the scan over it."""

    optimizer: Literal["adam", "rowwise_adagrad", "sgd"] = "adam"
    """Update rule of the label rows, outside of ZeRO; adam's state takes twice the memory of fp32 rows, others hardly
    any. On tens of thousands of labels sgd with lr = 10 found rare ones sooner than adam with 1e-2."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """What label vectors are kept in; bf16 takes half the memory and is rounded stochastically, biases stay fp32."""
    init: Literal["random", "text", "name"] = "text"
    """New rows: small random vectors, or where the untrained encoder puts the label's text, if it has one; or, under
    name, where it puts the label's own name if it has no text: for names that are words of the encoder's language."""
    text_cache: Path | None = None
    """Folder that keeps encoded label texts for other runs, by a hash of what they are made of; unset: not kept."""
    placement: Literal["device", "host"] = "device"
    """Where rows and their optimizer state are: beside the model, or in host memory, from where chunks are copied."""
    lr: Rate = 1e-3
    """Peak learning rate of the rows; it follows the shape of the dense one."""
    weight_decay: NonNegative = 0.0
    """Decoupled decay of label vectors, once a step; biases keep their prior."""
    clip: NonNegative = 0.0
    """Largest norm of the gradient of one row in one update; 0 switches clipping off."""
    chunk: Positive = 8192
    """Rows that are scored at a time: memory is queries times chunk. CPUs are 5 to 10 % faster with 1024."""
    negative_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the chunks whose negatives a step learns from, weighted so that gradients are right on average."""
    propensity: bool = False
    """Let the positives of rare labels count more, as PSP@k counts them, in the scan and in the cloze."""
    buffer_gradients: bool = False
    """Add row gradients up and update once a step; always so when gradients are accumulated over micro-steps."""


class MlmSection(Section):
    """Masked language modelling of the text, trained beside the labels."""

    weight: NonNegative = 0.05
    """Weight of its loss; 0 leaves its head out."""
    probability: Share = 0.15
    """Share of text tokens that are masked."""
    until: Share = 1.0
    """Share of all steps after which nothing is masked any more."""
    own_pass: bool = False
    """Read the masked text in a pass of its own: labels then see the whole text, at twice the price of a text."""


class CheckpointSection(Section):
    """How often the state is saved, where, and how many states are kept."""

    store: str | None = None
    """Address in a bucket, s3://bucket/prefix, of this run alone; unset: the folder `checkpoints` in run.folder."""
    every_steps: Positive = 500
    """Steps between two saves; the end and a stop are saved as well."""
    keep: Positive = 2
    """Newest checkpoints that stay; older ones are deleted after a complete save."""
    keep_every: Positive | None = None
    """Checkpoints of steps that are multiples of this stay for ever."""
    background: bool = True
    """Train on while a save is written; until then each rank holds one more copy, in host memory, of what it saves: its
    label rows with their optimizer state. All dense state is copied by rank 0 either way."""

    @field_validator("store")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        return None if value is None else bucket_address("checkpoint.store", value)


class EvaluationSection(Section):
    """The look at the dev split while training goes on."""

    every_steps: Positive = 500
    """Steps between two looks; the last step gets one as well."""
    records: Positive = 2000
    """Records of the dev split that are looked at."""
    batch: Positive = 32
    """Records of one rank at a time."""


class TelemetrySection(Section):
    """The metrics of each rank, and where they are served."""

    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Rank r of a node serves /metrics on this port + its local rank; 0: any free port; without it: none."""
    peak_flops: Rate | None = None
    """Operations a second that a rank's device can do at best, for the utilization; unset: by its name, if in bf16."""


class Config(Section):
    """A whole run."""

    run: RunSection
    data: DataSection
    model: ModelSection
    labels: LabelsSection = LabelsSection()
    cloze: ClozeSection = ClozeSection()
    mlm: MlmSection = MlmSection()
    train: TrainSection
    checkpoint: CheckpointSection = CheckpointSection()
    evaluation: EvaluationSection = EvaluationSection()
    neighbours: NeighboursSection = NeighboursSection()
    telemetry: TelemetrySection = TelemetrySection()

    @property
    def driver(self) -> Literal["fused", "checkpointed"]:
        """How chunks of slots run: as `cloze.driver` says; where it is unset, fused, but checkpointed under ZeRO-3."""
        return self.cloze.driver or ("checkpointed" if self.train.zero_stage == 3 else "fused")

    def in_precision(self, precision: Literal["fp32", "bf16"]) -> "Config":
        """Set `train.precision`, as what `auto` stands for."""
        return self.model_copy(update={"train": self.train.model_copy(update={"precision": precision})})

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        if self.cloze.driver == "fused" and self.train.zero_stage == 3:
            raise ValueError(
                "cloze.driver = 'fused': ZeRO-3 would give it parts of parameters, and wrong gradients: "
                "use 'checkpointed', or train.zero_stage of at most 2"
            )
        if self.mlm.own_pass and self.cloze.attention == "joint":
            raise ValueError("mlm.own_pass = true: under joint attention labels and masked text are one sequence")
        return self


def bucket_address(key: str, value: str) -> str:
    """Refuse what is no address in a bucket, and do not repeat it: it may hold a password."""
    if not re.fullmatch(r"s3://[^/@?#\s]+(/[^@?#\s]*)?", value):
        raise ValueError(
            f"{key}: must be s3://bucket/prefix and nothing else: credentials belong in the environment or in ~/.aws"
        )
    return value
