"""The command mnas-moo: a module a verb."""
