"""The schema: drf-spectacular's, with the parameters of our own declarations."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from webapp.api.parameters import Kind, Parameter, Parameters
from webapp.api.serializers import ErrorSerializer

ERRORS = {
    400: "The query string holds what it must not.",
    401: "No token, or none that is valid.",
    404: "There is none.",
    406: "The Accept header does not take JSON.",
    429: "Too many calls: wait for as many seconds as Retry-After says.",
}

_one_at_a_time = Lock()


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "webapp.api.authentication.BearerAuthentication"
    name = "bearer"  # ways in are sorted by name, and this is the first

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "The token alone: it is sent as `Authorization: Bearer ...`. `Token ...` is taken, too."
        return {"type": "http", "scheme": "bearer", "description": description}


class Schema(AutoSchema):
    """Describes the `parameters` of a view."""

    def get_tags(self) -> list[str]:
        """The page's headings: the root has no word of its own to stand under."""
        return super().get_tags() or ["addresses"]

    def get_override_parameters(self) -> list[Any]:
        parameters: type[Parameters] = cast(Any, self.view).parameters
        return [self._described(name, parameter) for name, parameter in parameters.base_filters.items()]

    def _described(self, name: str, parameter: Parameter) -> OpenApiParameter:
        kind = parameter.kind
        return OpenApiParameter(
            name,
            self._with_enumeration(kind) if kind.name else dict(kind.schema),
            OpenApiParameter.QUERY,
            # The page lists what an enumeration has by itself.
            description=parameter.description + ("" if kind.name else f" Takes {kind.allowed}."),
            default=parameter.default,
        )

    def _with_enumeration(self, kind: Kind) -> dict[str, Any]:
        """Its enumeration is a component: generated clients have one type for it, wherever it occurs."""
        values = kind.schema["items"] if kind.is_list else kind.schema
        component = ResolvedComponent(kind.name, ResolvedComponent.SCHEMA, dict(values), kind.name)
        self.registry.register_on_missing(component)
        return {**kind.schema, "items": component.ref} if kind.is_list else {"allOf": [component.ref]}


def answers(operation: str, summary: str, answer: Any, *errors: int) -> Callable[[Any], Any]:
    """Describes a view's `get`: what it answers, and which errors beside the ones that every address has.

    What an ETag can bring, 304 and 412, is left to the schema's own description: these answers have no body, and a
    client that is generated never sees one, but would have to reckon with an answer of any type.
    """
    statuses = sorted({400, 401, 406, 429, *errors})
    wrong = {status: OpenApiResponse(ErrorSerializer, ERRORS[status]) for status in statuses}
    responses = {200: OpenApiResponse(answer, "The answer."), **wrong}
    return extend_schema(operation_id=operation, summary=summary, responses=responses)


def whole_schema() -> dict[str, Any]:
    """One thread makes it for all: drf-spectacular fails where two threads set it up at once."""
    with _one_at_a_time:
        return made_schema()


@cache
def made_schema() -> dict[str, Any]:
    """Made once: it follows from the code alone."""
    return SchemaGenerator().get_schema(request=None, public=True)
