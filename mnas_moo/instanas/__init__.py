"""InstaNAS: a network for each image."""
