"""Torch twins of the decoder's arithmetic, and the hypernetwork: for training, refinement and tests."""
