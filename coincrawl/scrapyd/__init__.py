"""What scrapyd runs with: scrapy.cfg names these in place of its own parts.

- application: checks the settings, and adds the ticker and the limit on wrong passwords.
- queue: jobs are rows of the database, so that all nodes share them and none is lost. scrapyd's own is a file of one
  node, and its poller ends at the first error.
- launcher, job: a job is recorded whatever becomes of its process. scrapyd's own loses a slot when a process cannot be
  started, and leaves crawls behind when it stops.
- web, services, jobs: the jobs of all nodes, also after a restart; invalid requests are rejected with a sentence.
- ticker: turns schedules that are due into jobs. scrapyd has no schedule.
- throttle, log, database, settings: what these need.

scrapyd's egg storage and job storage stay as they are, and empty. Everything runs in scrapyd's process, on its event
loop; the launcher starts a `scrapy crawl` for each job.
"""
