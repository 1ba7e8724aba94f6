"""Fits a network to a picture and quantises its weights."""
