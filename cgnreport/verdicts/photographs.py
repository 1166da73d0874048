"""The rule for composition without a generator on photographs (photographs-composition), fixed before its first run.

Heads on frozen features are trained on photographs alone ('original'), with composed images whose shape, texture and
background come from three photographs of one class ('original+tied'), or of free classes ('original+composed'), as many
each. Read as published, from the shape and texture heads ('original': all heads), over five splits by photograph:

- The gap is narrowed where the interval of the change of the background gap from 'original' to 'original+composed' lies
  below zero, accuracy on random backgrounds does not fall (lower bound of its change above -random_margin points), and
  the gap is below that of 'original+tied' (interval of the difference below zero).
- It is narrowed partly where the gap narrows, but one of the others fails.
- It is not tested where 'original' has no gap (lower bound at or below zero).

This says what counterfactual *composition* does without a generator. It is no reproduction of the study's Table 5.
"""
