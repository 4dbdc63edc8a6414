"""Python, half a second sooner: forked from a process that has imported what a crawl and the site import.

A program is a process of its own all the same, with its own arguments, environment and outputs. Only libraries are
imported beforehand, and nothing that reads the environment. Where a second crawl has the environment of an earlier one,
this project is imported, too: its settings read the same again. Variables that Python reads when it starts, as
PYTHONWARNINGS, have no effect. Tests of what a process shows start a real one.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

LIBRARIES = [
    "_strptime",
    "aiohttp",
    "croniter",
    "encodings.charmap",
    "encodings.unicode_escape",
    "encodings.utf_8_sig",
    "environ",
    "psycopg",
    "rich._emoji_codes",
    "rich.console",
    "rich.progress",
    "rich.table",
    "simplejson",
    "sqlite3",
    "tldextract",
    "scrapy.cmdline",
    "scrapy.commands.bench",
    "scrapy.commands.check",
    "scrapy.commands.crawl",
    "scrapy.commands.fetch",
    "scrapy.commands.genspider",
    "scrapy.commands.parse",
    "scrapy.commands.shell",
    "scrapy.crawler",
    "scrapy.core.downloader.handlers.http11",
    "scrapy.core.engine",
    "scrapy.dupefilters",
    "scrapy.logformatter",
    "scrapy.pqueues",
    "scrapy.squeues",
    "scrapy.statscollectors",
    "scrapy_djangoitem",
    "twisted.internet.asyncioreactor",
    "django.contrib.admin.sites",
    "django.core.management",
    "django.db.migrations.executor",
    "django.db.models.sql.compiler",
    "django.forms",
    "django.http",
    "django.template.response",
    "django.urls",
    "django.db.backends.sqlite3.base",
]
COMPONENTS = ["DOWNLOADER_MIDDLEWARES_BASE", "EXTENSIONS_BASE", "SPIDER_MIDDLEWARES_BASE"]  # Scrapy's own
CRAWL = ["-m", "scrapy", "crawl"]
OURS = [
    "coincrawl.commands.crawl",
    "coincrawl.exporters",
    "coincrawl.downloadhandlers",
    "coincrawl.extensions.progress",
    "coincrawl.middlewares",
    "coincrawl.pipelines",
    "coincrawl.terminal",
    "coincrawl.spiders.markets",
    "coincrawl.spiders.mirror",
]
READ_LATER = ("BASE_API_URL", "PYTEST_CURRENT_TEST")
REQUEST = 2**20  # bytes at most
LINE = 32  # bytes of an answer: a process id, or an exit status
END = 10  # seconds


class Program:
    """A program under way, as subprocess.Popen has it."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self.pid = self._next()
        self.returncode: int | None = None

    def _next(self) -> int:
        if answer := self._answers.recv(LINE):
            return int(answer)
        raise RuntimeError("the process that forks programs has died")

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self.returncode = self._next()
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit status. Raises TimeoutError if it does not end within so many seconds."""
        if self.returncode is None:
            self._answers.settimeout(timeout)
            self.returncode = self._next()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Preloaded:
    """The process that forks; it ends with the one that has made it."""

    def __init__(self) -> None:
        self._control, theirs = pair()
        program = [sys.executable, "-m", "tests.support.preloaded", str(theirs.fileno())]
        self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()])
        theirs.close()

    def close(self) -> None:
        self._control.close()
        self._process.wait(END)

    @contextmanager
    def program(
        self, arguments: list[str], cwd: Path, env: Mapping[str, str], out: IO[Any], err: IO[Any]
    ) -> Iterator[Program]:
        """Start Python with these arguments; it is killed at the end of the context."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            request = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": dict(env)}).encode()
            with theirs:
                socket.send_fds(self._control, [request], [out.fileno(), err.fileno(), theirs.fileno()])
            program = Program(ours)
            try:
                yield program
            finally:
                program.kill()
                program.wait(END)

    def run(
        self, arguments: list[str], cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """As subprocess.run(["python", *arguments], ..., capture_output=True, text=True)."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with self.program(arguments, cwd, env, out, err) as program:
                status = program.wait(timeout)
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(arguments, status, out.read().decode(), err.read().decode())


def serve(control: socket.socket, *, is_set_up: bool = False) -> None:
    """Fork a program for each request; returns at the end of the requests."""
    assert "twisted.internet.reactor" not in sys.modules, "each program has a reactor of its own"
    gc.collect()
    gc.freeze()  # what is here stays: no program has to look at it, and copy it by that
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that children leave no zombies: their status goes to `answer`
    projects: dict[str, socket.socket | None] = {}  # what forks crawls with this environment, from the second one on
    while True:
        request, fds, _, _ = socket.recv_fds(control, REQUEST, 3)
        if not request:
            return
        wanted = json.loads(request)
        project = None
        if not is_set_up and (environment := of_a_crawl(wanted)):
            if environment in projects and not projects[environment]:
                ours, theirs = pair()
                if os.fork() == 0:
                    for end in (control, ours, *filter(None, projects.values())):
                        end.close()
                    for fd in fds:
                        os.close(fd)
                    set_up(wanted)
                    serve(theirs, is_set_up=True)
                    return
                theirs.close()
                projects[environment] = ours
            project = projects.setdefault(environment, None)
        if project:
            socket.send_fds(project, [request], fds)
        elif os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            wait_for_program(wanted, *fds)
        for fd in fds:
            os.close(fd)


def of_a_crawl(request: dict[str, Any]) -> str:
    """The environment of a crawl of this project, as far as Django's settings may read it; empty for other programs."""
    if request["arguments"][:3] != CRAWL or request["cwd"] != os.getcwd():
        return ""
    return json.dumps({name: value for name, value in request["env"].items() if name not in READ_LATER}, sort_keys=True)


def set_up(request: dict[str, Any]) -> None:
    """Import what a crawl imports of this project, but for Scrapy's settings, which read the address of the source."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a crawl whose log is no terminal
    os.environ.clear()
    os.environ.update({name: value for name, value in request["env"].items() if name not in READ_LATER})
    os.environ["DJANGO_SETTINGS_MODULE"] = "coincrawl.django_settings"
    import_module("django").setup()
    for name in OURS:
        import_module(name)
    import_module("django.db.migrations.loader").MigrationLoader(None)  # imports all migrations
    assert "coincrawl.settings" not in sys.modules, "each crawl reads its own"


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends for requests and their files."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST)
    return ends


def wait_for_program(request: dict[str, Any], out: int, err: int, answer: int) -> NoReturn:
    """Fork the program, and say its process id and its exit status; returns in no process."""
    pid = os.fork()
    if pid:
        os.write(answer, str(pid).encode())
        _, status = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):  # whoever has asked has given up
            os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.close(answer)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[0] = request["cwd"]
    status = run(request["arguments"])
    # As at the end of Python, but nothing is taken apart: in a fork, that is a fifth of what a crawl costs.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(arguments: list[str]) -> int:
    """The exit status of Python with these arguments."""
    try:
        execute(arguments)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def execute(arguments: list[str]) -> None:
    """Run a module, a text or a file, as the three forms of Python's command line do."""
    match arguments:
        case ["-m", module, *options]:
            sys.argv[1:] = options
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *options]:
            sys.argv = ["-c", *options]
            exec(program, {"__name__": "__main__"})
        case [path, *options]:
            sys.argv = [path, *options]
            sys.path[0] = str(Path(path).parent)
            runpy.run_path(path, run_name="__main__")


def main() -> NoReturn:
    for name in LIBRARIES:
        import_module(name)
    defaults = import_module("scrapy.settings.default_settings")
    for components in COMPONENTS:
        for path in getattr(defaults, components):
            import_module(path.rpartition(".")[0])
    serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit()


if __name__ == "__main__":
    main()
