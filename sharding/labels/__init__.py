"""Labels of a data set: vocabulary, texts, filters, features, and chunk plans."""

from .chunks import ChunkPlan as ChunkPlan
from .features import label_features as label_features
from .label_filter import LabelFilter as LabelFilter
from .lookup import LabelLookup as LabelLookup
from .texts import match_texts as match_texts
from .texts import read_label_texts as read_label_texts
from .texts import read_new_labels as read_new_labels
from .vocabulary import Vocabulary as Vocabulary
