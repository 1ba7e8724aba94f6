"""Turns planes at a natural scale into pixels of any size: requests, resampling, bands, colour, threads."""
