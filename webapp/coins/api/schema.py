"""The schema: drf-spectacular's, with the parameters of our own declarations."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from .parameters import Parameter, Parameters
from .serializers import ErrorSerializer

ERRORS = {
    400: "The query string holds what it must not.",
    401: "No token, or none that is valid.",
    404: "There is none.",
    406: "The Accept header does not take JSON.",
    429: "Too many calls: wait for as many seconds as Retry-After says.",
}

_one_at_a_time = Lock()


def described(name: str, parameter: Parameter) -> OpenApiParameter:
    kind = parameter.kind
    chosen_from = kind.schema.get("enum") or kind.schema.get("items")  # which the page lists by itself
    return OpenApiParameter(
        name,
        dict(kind.schema),
        OpenApiParameter.QUERY,
        description=parameter.description + ("" if chosen_from else f" Takes {kind.allowed}."),
        default=parameter.default,
        explode=False if kind.schema["type"] == "array" else None,
    )


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "webapp.coins.api.authentication.TokenAuthentication"
    name = "Authorization"  # ways in are sorted by name, and this is the first

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "`Token ` and the key, with the space between them."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}


class Schema(AutoSchema):
    """Describes the `parameters` of a view."""

    def get_tags(self) -> list[str]:
        """The page's headings: the root has no word of its own to stand under."""
        return super().get_tags() or ["addresses"]

    def get_override_parameters(self) -> list[Any]:
        parameters: type[Parameters] = cast(Any, self.view).parameters
        return [described(name, parameter) for name, parameter in parameters.base_filters.items()]


def answers(operation: str, summary: str, answer: Any, *errors: int) -> Callable[[Any], Any]:
    """Describes a view's `get`: what it answers, and which errors beside the ones that every address has."""
    unchanged = OpenApiResponse(description="The answer with the ETag that If-None-Match names is still the right one.")
    changed = OpenApiResponse(description="The answer no longer has the ETag that If-Match names.")
    statuses = sorted({400, 401, 406, 429, *errors})
    wrong = {status: OpenApiResponse(ErrorSerializer, ERRORS[status]) for status in statuses}
    responses = {200: answer, 304: unchanged, 412: changed, **wrong}
    return extend_schema(operation_id=operation, summary=summary, responses=responses)


def whole_schema() -> dict[str, Any]:
    """One thread makes it for all: drf-spectacular fails where two threads set it up at once."""
    with _one_at_a_time:
        return made_schema()


@cache
def made_schema() -> dict[str, Any]:
    """Made once: it follows from the code alone."""
    return SchemaGenerator().get_schema(request=None, public=True)
