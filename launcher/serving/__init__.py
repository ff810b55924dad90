"""The server of a trained run: questions over HTTP in micro-batches, and the page on which people label with it."""

from .server import ServeSettings as ServeSettings
from .server import serve as serve
