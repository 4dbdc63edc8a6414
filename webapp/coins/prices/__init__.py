"""Prices over time. Each module is one step in the life of a price.

tiers       how long each tier is kept: the one place that decides
observing   a flush stores an observation for each coin that it has changed
rollup      observations become bars (bars) of an hour and then of a day, and old ones are deleted (months, archived)
past        bars come from an API's history (points), where nothing was observed; writing has the statement
copying     the same with the bars of a day from another installation
covering    times in which missing bars are no gap; stretches are those without bars
archive     a finished day becomes a file (parquet) in a folder or store (place); restoring: a day comes back from it
reading     a coin's prices, each period in the finest tier that is kept
days        the prices of all coins on a day, and which days there are
"""
