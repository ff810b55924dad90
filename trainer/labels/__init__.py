"""The label table: rows sharded over ranks, their sparse optimizer, the scan over them, and retrieval of candidates."""

from .all_slots import AllSlots as AllSlots
from .candidates import Candidates as Candidates
from .candidates import build_candidates as build_candidates
from .candidates import new_table as new_table
from .candidates import slot_plan as slot_plan
from .gradient import RowGradient as RowGradient
from .gradient import RowGradientSink as RowGradientSink
from .gradient import ScanGradient as ScanGradient
from .lookup import RowLookup as RowLookup
from .memory import check_memory as check_memory
from .port import StepPort as StepPort
from .retriever import LabelRetriever as LabelRetriever
from .row_optimizer import RowOptimizer as RowOptimizer
from .row_optimizer import Stage as Stage
from .row_optimizer import UpdateContext as UpdateContext
from .row_optimizer import row_optimizer as row_optimizer
from .sampling import Sampling as Sampling
from .table import LabelTable as LabelTable
from .table import RowRange as RowRange
from .table import create_table as create_table
from .updates import RowUpdates as RowUpdates
