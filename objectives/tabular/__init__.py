"""Tabular benchmarks and tables of one's own as problems with two objectives."""
