"""Programs that the peers' interpreters run; each takes a JSON request and prints a JSON line."""
