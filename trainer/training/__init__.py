"""Training of one run: its components built and initialized, its step, its loop, its callbacks, and its resumption."""
