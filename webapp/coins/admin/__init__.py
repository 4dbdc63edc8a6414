"""The admin of the data, and the base classes and formats that all admin pages share.

Coins are read-only: only the crawler writes them. A list names its columns. A page shows every field of its model:
`groups` puts fields under headings, and fields without a group come last.
"""

from . import coins  # noqa: F401 - registers what it shows
