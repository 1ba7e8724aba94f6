"""Measuring codecs: pictures, parameter sweeps, rows, metrics, Bjontegaard rates."""
