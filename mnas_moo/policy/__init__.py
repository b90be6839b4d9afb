"""What MnasSampler keeps of a study: its policy, as published and as the default."""
