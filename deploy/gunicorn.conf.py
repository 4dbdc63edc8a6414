"""How gunicorn serves the site, for `make up` and in the container."""

threads = 8  # in one process: each process would count the read API's calls for itself
graceful_timeout = 5  # s that answers under way may take when it stops
# DJANGO_BEHIND_TLS_PROXY says whether a request came over https; by default gunicorn trusts this machine's headers.
forwarded_allow_ips = ""
control_socket_disable = True  # not used, and a read-only container has no place for it
