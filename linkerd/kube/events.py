"""What a reflector tells its listener: an object is now like this, or it is gone."""

from typing import Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class Applied(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """The object exists and this is its state: created, changed, or seen for the first time."""

    object: T


class Deleted(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """The object is gone; `object` is the last state that we knew."""

    object: T


Event: TypeAlias = Applied[T] | Deleted[T]
