"""From settings to a plan: data, space, executors; whatever can be refused is refused here."""
