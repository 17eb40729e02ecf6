"""Tasks of packages from outside (see :mod:`lass_plugin.registry`).

fairseq imports the files of this folder for ``--user-dir``, and so those packages.
"""

from lass_plugin.registry import load_plugins

load_plugins()
