"""How a source becomes a published data set: counted, encoded, shuffled on disk, by any number of workers."""

from .converting import convert as convert
from .run_tasks import Progress as Progress
from .understanding import described as described
