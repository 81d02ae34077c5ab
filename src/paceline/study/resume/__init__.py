"""Resuming a study: what its directory contains, and what may differ from it."""
