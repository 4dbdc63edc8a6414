"""Prices over time. Each module is one step in the life of a price.

tiers       how long each tier is kept: the one place that decides
observing   a flush stores an observation for each coin that it has changed
rollup      observations become bars of an hour and then of a day (bars), and old ones are deleted
retention   which of them may be deleted; partitions are deleted as a whole
past        bars come from an API's history (points), where nothing was observed
copying     the same with the bars of a day from another installation
imported    what both write
missing     times without bars, and those in which missing bars are no gap
archive     a finished day becomes a file (parquet) in a folder or store (storage); restoring: a day comes back from it
reading     the prices of a coin, each period in the finest tier that is kept, and those of all coins on a day
series      the keys of coins in all these tables
"""
