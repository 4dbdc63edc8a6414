"""The read-only API under /api/: coins, runs and the health of the data.

`parameters` reads query strings, `pages` cuts lists into pages, `writing` writes values, `serializers` and `schema`
describe all of that, and `views` puts it together.
"""
