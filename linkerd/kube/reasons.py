"""Why something failed, in words for people: no objects, class names or source lines of the
libraries that it failed in."""

import os
import re
import ssl
from typing import Final

_SHAPE: Final = (AssertionError, AttributeError, LookupError, TypeError)
"""What readers raise that trip over the shape of a document."""
_PART: Final = re.compile(r"/?\{.*\}", re.DOTALL)  # of the document, printed by such a reader


def os_reason(error: OSError) -> str:
    """What the operating system or TLS says."""
    if isinstance(error, ssl.SSLError):
        reason = error.reason or re.sub(r"\[.*?\] ?| ?\(_ssl.*?\)", "", str(error))
        words = reason.replace("_", " ").lower()
        return "not in PEM, or broken" if words == "pem lib" else words
    number, words = error.errno or 0, error.strerror or str(error)
    said = os.strerror(number).lower() if number > 0 else words
    return f"{said}: {error.filename}" if error.filename else said


def config_reason(error: Exception) -> str:
    """Why a configuration cannot be used; never a part of it, which may be secret."""
    if isinstance(error, OSError):
        return os_reason(error)
    if isinstance(error, _SHAPE) or not str(error):
        return "something in it is missing, or of a wrong type"
    return " ".join(_PART.sub("", str(error)).split())
