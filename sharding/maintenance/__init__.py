"""Maintenance of published data sets: verification and merging."""
