"""The model that the default sampler chooses by: surrogate, acquisition and pool."""
