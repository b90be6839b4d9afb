"""A trained network as files for other programs, with what is said of it, and the check of these files."""
