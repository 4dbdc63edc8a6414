"""A Django REST Framework project of somebody else's, for tests: `python -m tests.support.drf` serves coins from it.

It knows nothing of coincrawl. It has a model and a viewset as a tutorial has them, each of the framework's three
paginations, and token authentication. What it serves is made and taken away over the API itself.
"""

TOKEN = "0123456789abcdef0123456789abcdef01234567"
