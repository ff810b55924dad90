"""What a run leaves behind: its folder, and the name of its latest checkpoint; no torch."""
