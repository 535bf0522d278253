"""What moves between frames: cuts, optical flow, warm starts, and how steady the result is."""
