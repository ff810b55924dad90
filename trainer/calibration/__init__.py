"""Calibration: the rates that this machine achieves, measured, from which an estimate for others begins."""
