"""A study's trials as a search sees them: decisions and their tokens, the history, rows of numbers for a model."""
