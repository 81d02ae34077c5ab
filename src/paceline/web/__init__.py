"""The live page: a running study in the browser, read from its store."""
