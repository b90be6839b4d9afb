"""Latency on real phones over adb: reach them, steady them, lock them, share work between them.

Read from the bottom up: what touches the phone, ``adb``, ``device``, ``lock``, ``benchmark_model``; when a time is good
enough, ``steadiness``; one phone held under its lock, ``session``, and what is done with it in one go, ``turn``; which
phones there are and how they stand, ``pool``; how networks are distributed over them, ``work``; the objective,
``latency``. ``listing`` is for people.
"""
