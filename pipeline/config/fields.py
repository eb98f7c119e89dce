"""What a setting may be: types that carry their rule and the words for it.

A field's annotation is its only declaration. pydantic checks it strictly; `explain` turns the first
of pydantic's errors into one sentence.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pipeline.config.sentences import bad, dotted, unknown
from pipeline.errors import PipelineError

__all__ = [
    "Attributes",
    "Columns",
    "Concept",
    "Count",
    "Folder",
    "Folders",
    "Fraction",
    "Must",
    "Name",
    "NonNegative",
    "NonNegativeInt",
    "OptionalName",
    "Pixels",
    "Positive",
    "Section",
    "Seed",
    "Several",
    "Sha256",
    "describe",
    "explain",
    "is_folder",
    "validate",
]


class Section(BaseModel):
    """A mapping of settings: frozen, no unknown keys, no conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=Section)


@dataclass(frozen=True)
class Must:
    """What a value must be: in words that follow "must be", and as a test of a converted value.

    YAML's lists become tuples.
    """

    text: str
    test: Callable[[Any], bool] = lambda _: True

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of the annotated type, with this rule around it."""
        is_tuple = get_origin(source) is tuple

        def check(value: Any, inner: Callable[[Any], Any]) -> Any:
            wrong = PydanticCustomError("must", "{text}", {"text": self.text})
            if is_tuple and isinstance(value, list):
                value = tuple(value)
            try:
                result = inner(value)
            except ValidationError as error:
                if any(entry["loc"] for entry in error.errors()):
                    raise  # an item of it is wrong
                raise wrong from error
            if not self.test(result):
                raise wrong
            return result

        return core_schema.no_info_wrap_validator_function(check, handler(source))


Count = Annotated[int, Must("a whole number of at least 1", lambda v: v >= 1)]
NonNegativeInt = Annotated[int, Must("a whole number of at least 0", lambda v: v >= 0)]
Several = Annotated[int, Must("a whole number of at least 2", lambda v: v >= 2)]
Pixels = Annotated[
    int,
    Must(
        "a whole number of at least 16 that is a power of two, such as 64",
        lambda v: v >= 16 and v & (v - 1) == 0,
    ),
]
Seed = Annotated[int, Must("a whole number from 0 to 4294967295", lambda v: 0 <= v < 2**32)]
Positive = Annotated[float, Must("a number above 0", lambda v: v > 0)]
NonNegative = Annotated[float, Must("a number of at least 0", lambda v: v >= 0)]
Fraction = Annotated[float, Must("a number from 0 to below 1", lambda v: 0 <= v < 1)]
Sha256 = Annotated[
    str,
    Must(
        "64 hexadecimal digits in lower case",
        lambda v: re.fullmatch(r"[0-9a-f]{64}", v) is not None,
    ),
]
Name = Annotated[
    str,
    Must(
        "a name of lower-case letters, digits, '-' and '_'",
        lambda v: re.fullmatch(r"[a-z0-9][a-z0-9_-]*", v) is not None,
    ),
]
OptionalName = Annotated[
    str,
    Must(
        "a name of lower-case letters, digits, '-' and '_'",
        lambda v: re.fullmatch(r"([a-z0-9][a-z0-9_-]*)?", v) is not None,
    ),
]
Concept = Annotated[
    str,
    Must(
        "a name of letters, digits, '-' and '_'",
        lambda v: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", v) is not None,
    ),
]
Columns = Annotated[
    tuple[str, ...],
    Must("a list of columns without repetitions, or []", lambda v: len(set(v)) == len(v)),
]
Attributes = Annotated[
    tuple[str, ...],
    Must(
        "a list of attributes, not empty and without repetitions",
        lambda v: len(v) > 0 and len(set(v)) == len(v),
    ),
]


class _IsFolder:
    """Marks text that names a folder of the user's: a run looks for it before it begins."""


Folder = Annotated[str, AfterValidator(os.path.expanduser), _IsFolder()]
Folders = Annotated[
    tuple[Annotated[str, AfterValidator(os.path.expanduser)], ...],
    Must("a list of folders, not empty", lambda v: len(v) > 0),
    _IsFolder(),
]


def is_folder(hint: Any) -> bool:
    """Whether a field's type is that of a folder, or of a list of folders, or null."""
    if get_origin(hint) is Annotated:
        return any(isinstance(entry, _IsFolder) for entry in get_args(hint)[1:])
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()
    return any(is_folder(choice) for choice in choices)


# --- from values to sections, and from errors to sentences ---------------------------------------


def validate(
    model: type[SectionT], value: Any, file: str, place: Callable[[str | None], tuple[str, ...]]
) -> SectionT:
    """`value`, read from YAML, as `model`.

    place: the key in `file` of one of the mapping's own keys, or, for None, of the mapping itself.

    Raises:
        PipelineError: one sentence that names file, key and what the value must be.
    """
    if not isinstance(value, dict):
        raise bad(file, place(None), value, describe(model))
    for key in value:
        if not isinstance(key, str) or key not in model.model_fields:
            raise unknown(file, place(str(key)), None, model.model_fields, "key")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise explain(error, model, value, file, place) from error


def explain(
    error: ValidationError,
    model: type[Section],
    value: Any,
    file: str,
    place: Callable[[str | None], tuple[str, ...]],
) -> PipelineError:
    """The sentence for the first error that pydantic has found in `value`."""
    rank = {"extra_forbidden": 0, "missing": 1}
    errors = sorted(error.errors(), key=lambda entry: rank.get(entry["type"], 2))
    alike = (entry for entry in errors if entry["loc"][:1] == errors[0]["loc"][:1])
    first = max(alike, key=lambda entry: len(entry["loc"]))  # inside a mapping: says most
    location, kind = first["loc"], first["type"]
    where: tuple[str, ...] = place(None)
    hint: Any = model
    for position, key in enumerate(location):
        inner = _inner(hint, key)
        here = (*where, str(key)) if position else place(str(key))
        if kind == "missing" and position == len(location) - 1:
            return PipelineError(
                f"{file}: {dotted(*here)} is missing; it must be {describe(inner)}."
            )
        if kind == "extra_forbidden" and position == len(location) - 1:
            return unknown(file, here, None, _keys(hint), "key")
        if inner is None or not _holds(value, key):
            continue  # it names a choice among types, not a place
        if location[position + 1 :] == ("[key]",):  # a mapping's key, not what it maps to
            return bad(file, here, key, describe(_key_hint(hint)))
        where, hint, value = here, inner, value[key]
    if get_origin(hint) is Literal and isinstance(value, str):
        return unknown(file, where, value, get_args(hint), "value")
    return bad(file, where, value, describe(hint))


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _holds(value: Any, key: Any) -> bool:
    if isinstance(value, Mapping):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def _inner(hint: Any, key: int | str) -> Any:
    """The type of the part `key` of a value of the type `hint`; None if it has no parts."""
    hint = _bare(hint)
    if get_origin(hint) in (Union, types.UnionType):
        inner = [_inner(choice, key) for choice in get_args(hint)]
        return next((choice for choice in inner if choice is not None), None)
    if isinstance(hint, type) and issubclass(hint, Section):
        return get_type_hints(hint, include_extras=True).get(str(key))
    if get_origin(hint) is tuple and isinstance(key, int):
        return get_args(hint)[0]
    return get_args(hint)[1] if get_origin(hint) is dict else None


def _key_hint(hint: Any) -> Any:
    """The type of the keys of a mapping, also where it is one of several choices."""
    hint = _bare(hint)
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next(get_args(choice)[0] for choice in choices if get_origin(choice) is dict)


def _keys(hint: Any) -> list[str]:
    hint = _bare(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return [key for choice in get_args(hint) for key in _keys(choice)]
    known = isinstance(hint, type) and issubclass(hint, Section)
    return list(hint.model_fields) if known else []


def describe(hint: Any) -> str:
    """What a type allows, in words that follow "must be"."""
    if get_origin(hint) is Annotated:
        inner, *rules = get_args(hint)
        text = next((rule.text for rule in rules if isinstance(rule, Must)), None)
        return text or describe(inner)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(describe(choice) for choice in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Section):
        return f"a mapping with the keys {', '.join(hint.model_fields)}"
    if get_origin(hint) is dict:
        return f"a mapping from names to {describe(get_args(hint)[1])}"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, "null")
