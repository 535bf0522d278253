"""A run folder within its budget: what has room, what is packed, what goes."""
