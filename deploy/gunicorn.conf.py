"""How gunicorn serves the site, for `make up` and in the container."""

threads = 8  # in one process: each process would count the read API's calls for itself
graceful_timeout = 5  # s for answers under way when it is to stop
# What came over https is for DJANGO_BEHIND_TLS_PROXY to say; by default gunicorn takes this machine's word for it.
forwarded_allow_ips = ""
control_socket_disable = True  # nobody asks it, and a read-only container has no place for it
