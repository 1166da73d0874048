"""Speed beside plain code and published code."""
