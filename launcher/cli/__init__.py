"""The command `lmmtc`: one module a subcommand, with what it takes and what it does."""

from .app import main as main
