"""What reference counting has left for the collector."""

import gc
from collections import Counter
from pathlib import Path
from types import CodeType, CoroutineType, FrameType, FunctionType, MethodType, TracebackType
from typing import Final

import linkerd

_OURS: Final = (f"{linkerd.__name__}.", "h2.", "hpack.", "hyperframe.")
_CODE: Final = str(Path(linkerd.__file__).parent)


def garbage() -> Counter[str]:
    """Collects, and counts what was found of ours and of the HTTP/2 library's by type; frames,
    tracebacks, coroutines and functions by the place of their code."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(name for each in gc.garbage if (name := _name(each)))
    gc.garbage.clear()
    gc.collect()
    return found


def _name(what: object) -> str | None:
    code = _code(what)
    if code is not None:
        if not code.co_filename.startswith(_CODE):
            return None
        return f"{type(what).__name__} of {code.co_filename}:{code.co_qualname}"
    name = f"{type(what).__module__}.{type(what).__qualname__}"
    return name if name.startswith(_OURS) else None


def _code(what: object) -> CodeType | None:
    match what:
        case FrameType():
            return what.f_code
        case TracebackType():
            return what.tb_frame.f_code
        case CoroutineType():
            return what.cr_code
        case FunctionType():
            return what.__code__
        case MethodType():
            return _code(what.__func__)
        case _:
            return None
