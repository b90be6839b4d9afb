"""Latency predicted from the latencies that were measured."""
