"""Prices over time. Each module is one step in the life of a price.

observing   a flush stores an observation for each coin that it has changed
rollup      observations become bars, of an hour and then of a day
reading     a coin's prices, each period in the finest tier that is kept
days        the prices of all coins on a day, and which days there are
archived    which days are in the archive, and so may be deleted
archive     a finished day becomes a file (parquet) in a folder or store (place)
restoring   a day comes back from its file
tiers       how long each tier is kept: the one place that decides
"""
