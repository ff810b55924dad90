"""What stops, kills and saves cost a run, and that they lose nothing."""
