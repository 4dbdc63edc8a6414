"""Stand-ins for CoinGecko and for our own read API, faithful where it matters to a crawler: order, paging, errors ...

    with FakeAPI(Market(coins=1_000)) as api:
        api.fault(answers.rate_limited(retry_after=1), page=2)
        ...                     # crawl api.url
        api.requests            # what was asked, in order

`Market` is the data and what a test may do to it, `FakeAPI` the server with CoinGecko's rules, `LinkedAPI` one whose
pages are joined by links, `answers` what goes wrong and `Listener` a host that nobody should talk to. `tls` makes
certificates, for which it needs `cryptography`. Every past price is a function of coin and time: `Market.price_at`.
`python -m fake_api --help` runs it by itself. The standard library is all that the rest needs.
"""

from fake_api import answers
from fake_api.exchange import Answer, Request
from fake_api.linked import LinkedAPI
from fake_api.listener import Listener
from fake_api.market import Market
from fake_api.records import Number
from fake_api.server import FakeAPI

__all__ = ["Answer", "FakeAPI", "LinkedAPI", "Listener", "Market", "Number", "Request", "answers"]
