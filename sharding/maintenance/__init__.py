"""What is done to a published data set: verified, and merged with others."""
