"""Fitting a network to a picture, and quantising its weights."""
