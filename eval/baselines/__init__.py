"""The other codecs, behind the same contract: one file a format, found by its `SWEEPS`."""
