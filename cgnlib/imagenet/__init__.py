"""The ImageNet half of the study: the CGN of pre-trained parts, at full size and on a toy world (seed, Section 4)."""
