"""The shuffled order of an epoch: counter-based random numbers, a permutation without a table, and the order."""
