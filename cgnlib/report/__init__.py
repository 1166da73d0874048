"""The report as a program: run its notebooks, check them, compile the book, publish results.

python -m cgnlib.report run 02-claim1-mnist --profile quick -p seed 3
python -m cgnlib.report book --profile quick
python -m cgnlib.report check
python -m cgnlib.report publish --profile paper
python -m cgnlib.report readme
python -m cgnlib.report durations --profile quick
"""


class ReportError(RuntimeError):
    """Something a reader can act on: the message names the thing and the remedy."""
