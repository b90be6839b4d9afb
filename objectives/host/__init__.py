"""Latency on this machine: CPU and CUDA, torch, LiteRT and ONNX Runtime."""
