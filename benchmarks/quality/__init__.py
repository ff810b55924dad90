"""Whether the cloze is worth its price: LM-MTC against a plain one-vs-all head on the same encoder."""
