"""The read-only API under /api/: coins, their prices, runs and the health of the data.

`parameters` reads query strings, `pages` cuts lists into pages, `tags` tells whether a page has changed, `writing`
writes values, `serializers` and `schema` describe all of that, and `views` and `prices` put it together.
"""
