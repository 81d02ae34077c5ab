"""The data of a study as its networks take them."""
