"""The search loop: one session of a study, from the first trial to the last."""
