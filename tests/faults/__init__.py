"""Every fault that a job has to survive, done to it: see docs/faults.md for the table."""
