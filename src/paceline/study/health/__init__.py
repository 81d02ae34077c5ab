"""Checking and repairing a study's directory."""
