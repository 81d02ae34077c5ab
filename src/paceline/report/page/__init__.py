"""The report's page: its panels, each in a module of its own, and how they are drawn."""
