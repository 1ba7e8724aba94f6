"""From pixels to the symbols of the codec `collage`: analysis, hypernetwork, refinement."""
