"""Callbacks: their base class, their view of a study, and what calls them."""
