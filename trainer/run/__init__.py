"""The files of a run: its folder, and the name of its latest checkpoint in a bucket; no torch."""
