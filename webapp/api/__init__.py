"""The read-only API under /api/: coins, their prices, runs and the health of the data.

`parameters` reads query strings, `pages` cuts lists into pages, `writing` writes values, `serializers` and `schema`
describe all of that, and `views` and `prices` put it together.
"""
