"""How far a run is, while it goes on: for a terminal, a log, a program, and another terminal."""
