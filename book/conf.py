"""The way out of Jupyter Book: _config.yml, the one configuration, as Sphinx takes it with myst-nb and the theme alone.

`python -m cgnreport.build book` uses it where jupyter-book is not installed. Versions: without-jupyter-book.txt.
"""

import sys
from pathlib import Path

from yaml import safe_load

_HERE = Path(__file__).parent
_GIVEN = safe_load((_HERE / "_config.yml").read_text(encoding="utf-8"))
_SPHINX = _GIVEN["sphinx"]
sys.path += [str(_HERE / folder) for folder in dict.fromkeys(_SPHINX["local_extensions"].values())]

author, copyright, html_title = _GIVEN["author"], _GIVEN["copyright"], _GIVEN["title"]
extensions = ["sphinx_togglebutton", "sphinx_copybutton", "myst_nb", "sphinx_external_toc", "sphinx_design"]
extensions += ["sphinx_book_theme", *_SPHINX["extra_extensions"], *_SPHINX["local_extensions"]]
external_toc_path, external_toc_exclude_missing = "_toc.yml", _GIVEN["only_build_toc_files"]
exclude_patterns = ["_build"]
bibtex_bibfiles = _GIVEN["bibtex_bibfiles"]
nb_execution_mode = _GIVEN["execute"]["execute_notebooks"]
html_theme, html_sourcelink_suffix, pygments_style = "sphinx_book_theme", "", "sphinx"
suppress_warnings = ["myst.domains"]
globals().update(_GIVEN["parse"])  # myst_enable_extensions, myst_substitutions
globals().update(_SPHINX["config"])
