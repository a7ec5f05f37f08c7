"""Why a proxy cannot be started."""


class BootError(Exception):
    """The environment is not what a proxy needs, or its files cannot be written; one sentence that
    names the variable or the file."""
