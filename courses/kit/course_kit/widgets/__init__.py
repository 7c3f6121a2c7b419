"""Interactive pictures of single modules; each file is one, with its JavaScript beside it."""
