"""The OpenAPI schema: drf-spectacular's, with named enumerations and our error responses."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiResponse, extend_schema
from rest_framework.serializers import MultipleChoiceField

from webapp.api.parameters import Parameters
from webapp.api.serializers import ErrorSerializer

ERRORS = {
    400: "A parameter is unknown or invalid.",
    401: "The token is missing or invalid.",
    404: "Not found.",
    406: "The Accept header does not allow what this address answers.",
    429: "Too many requests: wait for as many seconds as Retry-After says.",
    503: "The database cannot be reached, or is locked: wait for as many seconds as Retry-After says.",
}

_one_at_a_time = Lock()


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "webapp.api.authentication.BearerAuthentication"
    name = "bearer"  # schemes are sorted by name: this is the first

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "The token, sent as `Authorization: Bearer ...`. `Token ...` works, too."
        return {"type": "http", "scheme": "bearer", "description": description}


class ChoiceType(OpenApiSerializerFieldExtension):
    """Makes the values of a Choice a component: generated clients have one type for it, wherever it occurs."""

    target_class = "webapp.api.parameters.Choice"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        values = list(self.target.choices)
        names = [f"{value[1:]}_descending" if value.startswith("-") else value for value in values]
        schema: dict[str, Any] = {"type": "string", "enum": values}
        if names != values:  # a minus cannot be part of a name in generated code
            schema["x-enum-varnames"] = [name.upper() for name in names]
        name = self.target.component
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, name)
        auto_schema.registry.register_on_missing(component)
        is_list = isinstance(self.target, MultipleChoiceField)
        return {"type": "array", "items": component.ref, "minItems": 1} if is_list else component.ref


class Schema(AutoSchema):
    """Describes the `parameters` of a view."""

    def get_tags(self) -> list[str]:
        """The headings of the page. The root has no name to use as one."""
        return super().get_tags() or ["addresses"]

    def get_override_parameters(self) -> list[Any]:
        parameters: type[Parameters] = cast(Any, self.view).parameters
        return [parameters] if parameters().fields else []


def answers(
    operation: str, summary: str, answer: Any, *errors: int, media_type: str = "application/json"
) -> Callable[[Any], Any]:
    """Describes a view's `get`: its response, and the errors that not every address has.

    The description of the whole API covers 304 and 412. They have no body, and a generated client would have to
    expect a response of any type.
    """
    statuses = sorted({400, 401, 406, 429, 503, *errors})
    wrong = {status: OpenApiResponse(ErrorSerializer, ERRORS[status]) for status in statuses}
    responses: dict[Any, OpenApiResponse] = {(200, media_type): OpenApiResponse(answer, "OK."), **wrong}
    return extend_schema(operation_id=operation, summary=summary, responses=responses)


def whole_schema() -> dict[str, Any]:
    """The schema. One thread makes it: drf-spectacular fails if two threads set it up at once."""
    with _one_at_a_time:
        return made_schema()


@cache
def made_schema() -> dict[str, Any]:
    """The schema, made once: it depends on the code alone."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema
