"""The library behind the reproducibility report on Counterfactual Generative Networks (Sauer & Geiger, 2021)."""

__version__ = "0.1.0"
