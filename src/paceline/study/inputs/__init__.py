"""The data of a study in the form in which its networks take them."""
