"""Studies, each with commands of its own: zoom, shapes, learned iterated function systems."""
