"""One progress bar for the whole library: `from cgnlib.progress import tqdm`.

A widget in JupyterLab, a line of text in a terminal. While `python -m cgnreport.build` runs a notebook it asks for text
(CGN_PROGRESS=text), which it shows in its own terminal and keeps out of the executed notebook.
"""

import os

if os.environ.get("CGN_PROGRESS") == "text":
    from tqdm.std import tqdm
else:
    from tqdm.auto import tqdm

__all__ = ["tqdm"]
