"""The record of a study: events in, state out; written, replayed, kept beside its checkpoints."""
