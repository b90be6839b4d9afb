"""Latency on real phones over adb: reach them, steady them, lock them, share work between them.

Read in this order: ``latency`` (the objective), ``pool`` (which phones there are and how they stand), ``session``
(one phone held under its lock), ``steadiness`` (when a time is good enough), and below them what touches the phone:
``adb``, ``device``, ``lock``, ``benchmark_model``.
"""
