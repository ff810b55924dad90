"""The ranks of one machine: started, watched, told to stop, ended; and what their ends mean."""
