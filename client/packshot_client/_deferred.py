"""Results made quickly: fields that are read when first looked at, and frozen ones set at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

_T = TypeVar("_T")
_DeferredT = TypeVar("_DeferredT", bound="Deferred")


class Deferred:
    """Base of frozen dataclasses with ``slots``, of which some fields come from a source.

    A slot that has no value yet takes it from the attribute of the same name of the source, once.
    Equality, hash, repr, pickling, copies, ``asdict`` and serializers read fields as attributes
    and so get all of them; there is no ``__dict__`` to read around that.
    """

    __slots__ = ("_source",)

    @classmethod
    def of(cls: type[_DeferredT], source: object) -> _DeferredT:
        """An instance with the fields of ``source``, unless ``object.__setattr__`` sets them.

        Reading those may not fail: whoever looks at a field expects no error.
        """
        instance = object.__new__(cls)
        object.__setattr__(instance, "_source", source)
        return instance

    if not TYPE_CHECKING:  # A checker would take it to mean that any name is an attribute.

        def __getattr__(self, name: str) -> Any:
            if name not in type(self).__dataclass_fields__:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            # Two threads may both do this: they find the same.
            value = getattr(self._source, name)
            object.__setattr__(self, name, value)
            return value


def filled(kind: type[_T], values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> _T:
    """An instance of a frozen dataclass without ``slots``, of which all fields are given.

    Its own ``__init__`` takes five times as long: it goes by ``object.__setattr__`` for each.
    """
    instance = object.__new__(kind)
    instance.__dict__.update(values)
    return instance
