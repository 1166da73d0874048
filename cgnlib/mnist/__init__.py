"""The MNIST half of the study: 32 x 32 variants, their CGN, baselines, classifiers and evaluation (seed, Section 3)."""
