"""Places in line: who waits, why, for how long, and what starts next."""
