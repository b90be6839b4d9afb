"""Accuracy: the images, the training, the objective."""
