"""Speed of the shuffled stream against the readers of other libraries, and of what surrounds it: resume, conversion."""
