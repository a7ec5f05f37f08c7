"""Errors of the runtime. Messages are for the person who starts the process."""


class ProcessError(Exception):
    """Anything that the runtime reports."""


class StartError(ProcessError):
    """The process cannot start, or go on, for a reason that its operator can mend.

    Logged as one line, without a stack trace.
    """


class CleanupError(ProcessError):
    """Something did not end in its time when the process stopped, and was left behind."""


class SettingsError(StartError):
    """A flag or an environment variable is unknown, malformed or missing; names it and the fix."""


class DurationError(ProcessError, ValueError):
    """Text is not a Go duration."""


class FilesError(StartError):
    """A watched file cannot be read."""
