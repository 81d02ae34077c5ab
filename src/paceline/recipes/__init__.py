"""Ready studies: well-known exercises, run whole."""
