"""What `scripts/fuzz.py` is made of: seeds, ways to damage them, the readers that are tried, the processes for it."""
