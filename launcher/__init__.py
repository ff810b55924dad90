"""Starting things: the entry points, and what they need to know of the machine."""
