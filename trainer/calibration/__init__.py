"""What this machine achieves, measured: the rates that an estimate for others begins with."""
