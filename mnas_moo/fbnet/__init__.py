"""FBNet's search: an architecture by gradient descent."""
