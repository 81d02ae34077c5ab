"""From settings to a plan: data, space, executors; invalid settings are refused here."""
