"""The sampler as pymoo's algorithm, spaces as its problems, and its algorithms as samplers."""
