"""The command `mnas-moo`, with one module for each of its verbs."""
