"""Parameters, experiments and their rows."""
