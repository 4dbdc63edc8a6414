"""The admin of the data, and what the lists and pages of all models have in common.

Only the crawler writes coins. A list names its columns. A page shows every field of its model: `groups` puts them
under headings, and a field that it does not name yet comes last by itself.
"""

from . import coins  # noqa: F401 - registers what it shows
