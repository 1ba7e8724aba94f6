"""PyTorch network of the codec `collage-paper`, its training task, calibration and export."""
