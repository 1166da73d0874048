"""Data and weights: what there is, where it lies, how it is fetched and verified."""
