"""The commands of `./radlab`: one file a command, found by `__main__`."""
