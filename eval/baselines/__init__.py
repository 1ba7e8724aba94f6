"""Codecs of other projects behind the same contract, one file per format. Each defines `SWEEPS`."""
