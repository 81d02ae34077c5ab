"""The live page: a study in the browser while it runs, read from its store only."""
