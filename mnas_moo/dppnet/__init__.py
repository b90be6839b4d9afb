"""DPP-Net: networks that grow step by step, chosen by a predictor and by Pareto selection (Dong et al. 2018)."""
