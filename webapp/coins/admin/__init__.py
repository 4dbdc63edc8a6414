"""What all admin pages share: base classes, filters, columns, formats and drawings.

A list names its columns. A page shows every field of its model: `groups` puts fields under headings, and fields without
a group come last.
"""
