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

import sys

from cgnlib.errors import Told

# jsonschema (4.26), which nbformat checks notebooks by, imports a grammar of internationalised addresses where it finds
# one, and compiling that takes twice as long as all else that a run imports. Notebooks hold no such addresses, and
# processes that import this package do nothing else.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # an import of it says that it is not there


class ReportError(Told, RuntimeError):
    """Something a reader can act on: the message names the thing and the remedy."""
