"""The codec `pifs`: fractal coding, one domain cell for every range cell."""
