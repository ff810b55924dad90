"""Data loading: record batches from the stream become tensors, masked and collated, prepared ahead."""

from .batch import State as State
from .batch import TextBatch as TextBatch
from .collate import Collator as Collator
from .collate import Injection as Injection
from .collate import columns as columns
from .collate import own_labels as own_labels
from .collate import pad_texts as pad_texts
from .loader import Loader as Loader
from .loader import StepData as StepData
from .loader import open_dataset as open_dataset
