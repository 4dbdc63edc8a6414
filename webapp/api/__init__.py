"""The read API under /api/: coins, runs and the health of the data, for programs, and never anything to write.

`parameters` says what a query string may hold, `pages` how long lists are cut, `writing` how values are written,
`serializers` and `schema` how all of that is described, and `views` puts it together.
"""
