"""From planes at a natural scale to pixels of any size: requests, resampling, bands, colour, threads."""
