"""Latency by lookup table: each distinct layer of a space is timed once, and a network costs their sum."""
