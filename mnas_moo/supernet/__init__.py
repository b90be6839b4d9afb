"""All networks of a space in one set of weights."""
