"""Places: the GPUs and cores that processes get, and how many run at a time."""
