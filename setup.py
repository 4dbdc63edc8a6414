"""What `pip install .` and `pipx` say, where setuptools would look for a package and fail in words of its own."""

raise SystemExit('coincrawl is no package: it runs from its checkout. The README ("Two commands") says how to begin.')
