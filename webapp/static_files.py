"""Static files under WSGI and ASGI."""

from django.http import HttpRequest
from whitenoise.middleware import WhiteNoiseFileResponse, WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from webapp.coins.sending import in_blocks


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise, which reads files in blocks under ASGI."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> WhiteNoiseFileResponse:
        return in_blocks(WhiteNoiseMiddleware.serve(static_file, request), request)
