"""Everything that is one per label: rows, their optimiser, the scan over them and the shortlist it gives."""

from .all_slots import AllSlots as AllSlots
from .choice import Labels as Labels
from .choice import label_side as label_side
from .choice import new_table as new_table
from .choice import slot_plan as slot_plan
from .gradient import RowGradient as RowGradient
from .gradient import RowGradientSink as RowGradientSink
from .gradient import ScanGradient as ScanGradient
from .memory import buffers_gradients as buffers_gradients
from .memory import check_memory as check_memory
from .optimizer import RowOptimizer as RowOptimizer
from .optimizer import Stage as Stage
from .optimizer import Turn as Turn
from .optimizer import row_optimizer as row_optimizer
from .port import StepPort as StepPort
from .routing import Fetched as Fetched
from .sampling import Sampling as Sampling
from .side import LabelSide as LabelSide
from .table import LabelTable as LabelTable
from .table import RowRange as RowRange
from .table import create_table as create_table
from .updates import RowUpdates as RowUpdates
