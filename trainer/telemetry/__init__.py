"""Telemetry of a run: metrics for Prometheus, phase timing, goodput, and an event log."""

from .catalogue import CATALOGUE as CATALOGUE
from .catalogue import GOODPUT_KINDS as GOODPUT_KINDS
from .catalogue import PHASES as PHASES
from .catalogue import SERVING as SERVING
from .catalogue import GoodputKind as GoodputKind
from .catalogue import Metric as Metric
from .catalogue import Phase as Phase
from .events import EventLog as EventLog
from .exporter import Instruments as Instruments
from .exporter import Telemetry as Telemetry
from .exporter import TelemetryError as TelemetryError
from .exporter import register as register
from .memory import watch_host_memory as watch_host_memory
from .phases import Goodput as Goodput
from .phases import PhaseClock as PhaseClock
from .run_history import RunHistory as RunHistory
