"""Why a port cannot be followed."""


class UnknownWorkloadError(Exception):
    """There is no such pod or ExternalWorkload in the mesh now; there may be one later. The message
    goes to the client."""
