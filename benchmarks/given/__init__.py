"""What labels that are given are worth: to a model that reads them with the text, and to counted co-occurrence."""
