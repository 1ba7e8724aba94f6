"""PyTorch twins of the codec `collage`, their training task and the export of a model."""
