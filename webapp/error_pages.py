"""What Django's error pages show under DJANGO_DEBUG."""

import re
from pathlib import Path
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

OURS = Path(__file__).parent
# Of what a server hands on: development servers put the whole environment beside it.
OF_A_REQUEST = re.compile(
    r"(?!HTTP_PROXY$)HTTP_\w+|CONTENT_(LENGTH|TYPE)|PATH_INFO|QUERY_STRING|REMOTE_ADDR|REQUEST_METHOD|SCRIPT_NAME"
    r"|SERVER_(NAME|PORT|PROTOCOL)"
)


class WithoutSecrets(SafeExceptionReporterFilter):
    """The code, the settings and the request, but no secret.

    Addresses that are settings are hidden, because the database's has a password and a webhook's is one. Variables
    are shown of our own code alone: among a database driver's is the password, in several forms.
    """

    hidden_settings = re.compile(rf"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL$", re.IGNORECASE)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True  # Django's own thinks that a site with DEBUG keeps no secrets

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        meta = super().get_safe_request_meta(request)
        return {name: value for name, value in meta.items() if OF_A_REQUEST.fullmatch(name)}

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: FrameType) -> Any:
        if not Path(tb_frame.f_code.co_filename).is_relative_to(OURS):
            return []
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleanse_setting(name, value)) for name, value in variables]
