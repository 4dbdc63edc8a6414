"""Static files under WSGI and ASGI."""

from collections.abc import AsyncIterator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from whitenoise.middleware import WhiteNoiseFileResponse, WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

BLOCK = 2**16  # bytes


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise, which reads files in blocks under ASGI. Django would warn, and read them as a whole."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> WhiteNoiseFileResponse:
        response = WhiteNoiseMiddleware.serve(static_file, request)
        if isinstance(request, ASGIRequest):
            response.streaming_content = blocks(response.file_to_stream)
        return response


async def blocks(file: IO[bytes] | None) -> AsyncIterator[bytes]:
    """The content of a file in blocks; nothing without a file."""
    while file and (block := await sync_to_async(file.read)(BLOCK)):
        yield block
