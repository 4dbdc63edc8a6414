"""Django's error pages under DJANGO_DEBUG, without secrets."""

import re
from pathlib import Path
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

OURS = Path(__file__).parent
# Variables of a request. Development servers add the whole environment to them.
OF_A_REQUEST = re.compile(
    r"(?!HTTP_PROXY$)HTTP_\w+|CONTENT_(LENGTH|TYPE)|PATH_INFO|QUERY_STRING|REMOTE_ADDR|REQUEST_METHOD|SCRIPT_NAME"
    r"|SERVER_(NAME|PORT|PROTOCOL)"
)


class WithoutSecrets(SafeExceptionReporterFilter):
    """Shows the code, the settings and the request, but no secrets.

    Settings that are URLs are hidden: the database's has a password, and a webhook's is a secret. Variables are shown
    of our own code only: those of a database driver have the password.
    """

    hidden_settings = re.compile(rf"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL$", re.IGNORECASE)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True  # Django's own shows everything under DEBUG

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        meta = super().get_safe_request_meta(request)
        return {name: value for name, value in meta.items() if OF_A_REQUEST.fullmatch(name)}

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: FrameType) -> Any:
        if not Path(tb_frame.f_code.co_filename).is_relative_to(OURS):
            return []
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleanse_setting(name, value)) for name, value in variables]
