"""Files ↔ frames: what is on disk, what it is, its pixels, and back. Knows nothing of torch, YAML or Ray."""
