"""What plugs into scrapyd, by the [scrapyd] section of scrapy.cfg: the schedule's beat, the queue, poller and launcher.

All of it runs in scrapyd's process. Only the launcher starts others: `scrapy crawl`, one for each job.
"""
