"""Executors train the trials of a study: in cohorts, with Keras fit, or by calling a function."""
