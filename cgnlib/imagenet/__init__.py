"""The ImageNet half: the CGN of pre-trained parts and the classifiers, at full size and on a toy world."""
