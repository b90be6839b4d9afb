"""Comparisons of samplers on one problem: quality of the fronts, trials needed, and significance."""
