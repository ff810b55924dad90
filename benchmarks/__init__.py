"""Measurements behind the project's claims; each prints ratios against named alternatives that ran beside it."""
