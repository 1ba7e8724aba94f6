"""Measuring the learning of IFS: the tables and figures of Tu et al. 2023, re-run."""
