"""Samplers compared on one problem: who finds the better front, after how many trials, and how sure that is."""
