"""Keras models made from a trial and its variables."""
