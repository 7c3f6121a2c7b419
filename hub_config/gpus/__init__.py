"""GPUs: which there are, whose they are, and who holds which until when."""
