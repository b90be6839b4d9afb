"""The two configurations of MnasSampler: how their policies learn, and their states of a study."""
