"""What is measured of a specification: accuracy, latency, counts."""
