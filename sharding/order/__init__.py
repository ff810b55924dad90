"""Which record comes next in an epoch: counter-based random numbers, a permutation without a table, and the order."""
