"""Estimates of a run on a cluster that need not be here: memory, time, traffic, cost; nothing is allocated."""

from .advice import Advice as Advice
from .advice import advise as advise
from .advice import changed as changed
from .advice import largest_chunk as largest_chunk
from .advice import largest_micro_batch as largest_micro_batch
from .cluster import Cluster as Cluster
from .cluster import load_cluster as load_cluster
from .plan import Plan as Plan
from .plan import Shortfall as Shortfall
from .shape import EncoderShape as EncoderShape
from .workload import Corpus as Corpus
