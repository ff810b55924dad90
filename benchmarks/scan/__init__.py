"""Speed and memory of a step over a huge label table against plain torch, and against its bare matrix products."""
