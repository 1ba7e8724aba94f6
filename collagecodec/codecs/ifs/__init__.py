"""The codec `ifs`: a picture as the attractor of a few affine maps."""
