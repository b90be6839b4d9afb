"""A study file: its schema, what it makes, and how it is read."""
