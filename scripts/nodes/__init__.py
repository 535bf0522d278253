"""Several machines on one: a Ray cluster whose nodes have networks of their own, and the jobs that run on it."""
