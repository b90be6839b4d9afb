"""Runs a study file: storage, identity, trials, samplers, predictions."""
