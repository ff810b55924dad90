"""What a memory of training records brings to a trained model: neighbours by its own queries, and by TF-IDF."""
