"""What is looked at before a long run; nothing heavy is imported here, so that a broken package is only a finding."""

from .configured import check_configuration as check_configuration
from .configured import check_folder as check_folder
from .finding import Finding as Finding
from .finding import State as State
from .finding import worst as worst
from .imports import check_imports as check_imports
from .machine import check_machine as check_machine
from .packages import check_packages as check_packages
from .packages import needs as needs
