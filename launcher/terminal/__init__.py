"""What a person at a terminal sees, and where results go: text, progress, output files."""
