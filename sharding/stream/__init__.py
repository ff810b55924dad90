"""The endless stream of training records: any number of ranks, resumable, by records or by a budget of tokens."""
