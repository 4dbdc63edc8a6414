"""What `pip install .` and `pipx` say, where setuptools would look for a package and fail in words of its own.

`scrapyd-deploy` may build an egg, though: only then does scrapyd tell it how code gets there.
"""

import sys

from setuptools import setup

if not {"clean", "bdist_egg"} & set(sys.argv):
    raise SystemExit('coincrawl is no package: it runs from its checkout. The README ("Try it") says how to begin.')
setup(name="coincrawl", packages=[], py_modules=[])
