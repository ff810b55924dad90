"""Linear models of others on the same records: each trains in a Python of its own, and is judged as ours are."""
