"""`python -I -S launch.py COMMAND...`: runs a command, and prints what it took as JSON.

It is a program of its own because it is small. A process begins with the peak memory of the one that starts it, and
the benchmark's own process is larger than the smallest of those it measures.
"""

import json
import os
import sys
import time


def main() -> None:
    command = sys.argv[1:]
    output = [(os.POSIX_SPAWN_DUP2, 2, 1)]  # this program alone writes to its stdout
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=output)
    _, status, used = os.wait4(pid, 0)
    taken = {
        "wall": time.perf_counter() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write(json.dumps(taken))


if __name__ == "__main__":
    main()
