"""How Sphinx builds the documentation: `python -m sphinx -W -n docs docs/_build`. Nothing is fetched."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE / "figures")]

project = "robustkit"
author = "The robustkit authors"
copyright = "the robustkit authors"
release = version_of("robustkit-torch")

extensions = ["myst_parser", "sphinx.ext.autodoc", "robustkit_reference"]
exclude_patterns = ["_build", "_generated", "_extensions", "figures", "examples"]
default_role = "code"  # docstrings put code in single backticks
highlight_language = "none"
smartquotes = False  # they would turn --option into a dash

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = True
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

nitpicky = True
# What other packages document is named here, not linked: the build reaches no network.
nitpick_ignore_regex = [
    ("py:.*", r"(torch|numpy|matplotlib|pathlib|collections|typing|pluggy|importlib|annotated_types|types|abc)\..*"),
    # Types from inside robustkit that a public signature names without being public themselves.
    ("py:.*", r"robustkit\.[a-z_]+\..*"),
    ("py:.*", r"(Path|Tensor|Module|Traversable|Any|Ellipsis|optional|Parameter)"),
]

html_theme = "furo"
html_title = "robustkit"
html_static_path = ["_static"]
html_css_files = ["robustkit.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
