"""Run the fake API by itself, or for the time of one command that finds its address in BASE_API_URL."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from fake_api import FakeAPI, Market
from fake_api.server import PLANS

STOPS = (signal.SIGINT, signal.SIGTERM)
DESCRIPTION = """A stand-in for CoinGecko's API with a made market. It says its address on its first line and serves
until SIGINT or SIGTERM, or until COMMAND ends, whose exit status it then has."""


def main() -> int:
    options = parse()
    for number in STOPS:
        signal.signal(number, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        try:
            log = stack.enter_context(options.log.open("w", encoding="utf-8")) if options.log else None
            api = stack.enter_context(
                FakeAPI(
                    None if options.pages else Market(options.coins, options.seed, datetime.now(UTC)),
                    total=options.total,
                    plan=options.plan,
                    key=options.key,
                    calls_per_minute=options.calls_per_minute,
                    window=options.window,
                    latency=options.latency,
                    pages=options.pages,
                    port=options.port,
                    log=log,
                )
            )
        except (OSError, ValueError) as error:
            sys.exit(f"The fake API cannot start: {error}")
        sys.stdout.write(f"Fake CoinGecko API with {len(api.market.ids):,} coins at {api.url}\n")
        sys.stdout.flush()
        if options.command:
            return run(options.command, {**os.environ, "BASE_API_URL": api.url})
        signal.pause()
    return 0


def run(command: list[str], environment: dict[str, str]) -> int:
    """The command's exit status. It is told of SIGINT and SIGTERM, and ends as it sees fit."""
    try:
        # A group of its own: at Ctrl-C a terminal signals its whole group, and the command would be told twice.
        process = subprocess.Popen(command, env=environment, process_group=0)
    except OSError as error:
        sys.stderr.write(f"Cannot run {command[0]}: {error.strerror}\n")
        return 127
    for number in STOPS:
        signal.signal(number, lambda number, _: process.send_signal(number))
    status = process.wait()
    return status if status >= 0 else 128 - status  # as a shell says which signal it was


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fake_api", description=DESCRIPTION)
    data = parser.add_argument_group("data")
    data.add_argument("--coins", type=int, default=18_000, metavar="N", help="size of the market (default: 18000)")
    data.add_argument("--seed", type=int, default=1, metavar="N", help="another number, another market (default: 1)")
    data.add_argument("--pages", type=Path, metavar="DIR", help="serve the recorded pages (*.json) of DIR instead")
    rules = parser.add_argument_group("rules")
    rules.add_argument(
        "--total",
        default="exact",
        metavar="exact|absent|half|double|TEXT",
        help="what the total header says (default: exact)",
    )
    rules.add_argument("--plan", choices=PLANS, default="keyless", help="which key it asks for (default: keyless)")
    rules.add_argument("--key", help="the key that the demo and pro plans ask for")
    rules.add_argument("--calls-per-minute", type=int, metavar="N", help="answer 429 to more than N a minute")
    rules.add_argument(
        "--window", type=float, default=60.0, metavar="SECONDS", help="of so long, instead of a minute (default: 60)"
    )
    rules.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="hold every answer back so long")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write one line of JSON per request to FILE")
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="run this with BASE_API_URL set")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
