"""Finding the code of a picture: analysis, hypernetwork, rate control, refinement."""
