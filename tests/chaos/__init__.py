"""Faults that take minutes to do, on real Ray with the real network; `scripts/chaos` runs them."""
