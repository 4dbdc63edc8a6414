"""Sends files in blocks, under WSGI and ASGI."""

from collections.abc import AsyncIterator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest

BLOCK = 2**16  # bytes


async def blocks(file: IO[bytes] | None) -> AsyncIterator[bytes]:
    """The content of a file in blocks; nothing without a file."""
    while file and (block := await sync_to_async(file.read)(BLOCK)):
        yield block


def in_blocks(response: FileResponse, request: HttpRequest) -> FileResponse:
    """The response, read in blocks under ASGI. Django would warn, and read the file as a whole."""
    if isinstance(request, ASGIRequest):
        response.streaming_content = blocks(response.file_to_stream)
    return response


def download(request: HttpRequest, file: IO[bytes], name: str, content_type: str) -> FileResponse:
    """A file to be saved under this name. It is closed when it is sent."""
    response = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    response.block_size = BLOCK
    return in_blocks(response, request)
