"""The training of one run: its components built and initialized, its step, its loop, and what resumes it."""
