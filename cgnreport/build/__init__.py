"""The report as a program: run its notebooks, check them, compile the book, publish results.

python -m cgnreport.build run 02-claim1-mnist --profile quick -p seed 3
python -m cgnreport.build book --profile quick
python -m cgnreport.build pdf --profile quick
python -m cgnreport.build check
python -m cgnreport.build publish --profile paper
python -m cgnreport.build readme
python -m cgnreport.build verify
python -m cgnreport.build durations --profile quick
"""


class ReportError(RuntimeError):
    """Something a reader can act on: the message names the thing and the remedy."""
