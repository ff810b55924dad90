"""Speed and memory of label-token chunking against one long sequence and against reading the text for every chunk."""
