"""What this package raises."""


class ProfilesError(Exception):
    """The input is not what it should be. The message is a sentence for its author."""


class InvalidProfile(ProfilesError):  # noqa: N818  # a verdict, and read as one
    """A ServiceProfile that must not be stored: its first fault."""


class SourceError(ProfilesError):
    """A document that cannot be read, or that no profile can be made of."""
