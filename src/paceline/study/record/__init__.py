"""The record of a study: made from events, stored and read beside its checkpoints."""
