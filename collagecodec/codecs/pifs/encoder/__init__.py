"""The search for the range cells, domain cells and factors of a plane."""
