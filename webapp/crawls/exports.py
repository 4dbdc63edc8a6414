"""What can be exported of the crawls."""

from webapp.coins.exports.tables import Column, Table, columns_of
from webapp.crawls.models import CrawlRun, CrawlSchedule, RejectedRecord

SCHEDULE = Column("schedule_name", CrawlSchedule._meta.get_field("name"), "schedule__name")

# Without the ends of the logs: they are most of the table, and no cell of a spreadsheet.
RUNS = Table("runs", [*columns_of(CrawlRun, "log_tail"), SCHEDULE])
REJECTED = Table("rejected", columns_of(RejectedRecord))
