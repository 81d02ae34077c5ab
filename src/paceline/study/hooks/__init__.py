"""Callbacks: what they are called with, and who calls them."""
