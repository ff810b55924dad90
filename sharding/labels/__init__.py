"""What is known of the labels of a data set."""

from .texts import read_label_texts as read_label_texts
from .vocabulary import Vocabulary as Vocabulary
