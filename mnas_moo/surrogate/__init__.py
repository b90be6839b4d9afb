"""The model by which the default sampler chooses: surrogate, acquisition and pool."""
