"""Waiting with a limit."""

import asyncio
from contextlib import suppress

CHECK_SECONDS = 0.1  # between two checks of a state that sets no event


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most for so many seconds. Returns whether it is set."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
