"""The panels of the report, one module each, and what they are made of."""
