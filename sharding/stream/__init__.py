"""The training stream: endless, shuffled, sharded over ranks, resumable, batched by records or by a token budget."""
