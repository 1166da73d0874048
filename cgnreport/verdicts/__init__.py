"""Rules, claims and how they are judged."""
