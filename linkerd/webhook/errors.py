"""What can be wrong with a request to a webhook. The text goes to whoever sent it."""


class WebhookError(Exception):
    """Root of this package's errors."""


class RequestError(WebhookError):
    """A request cannot be served: `status` is the answer's HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ObjectError(WebhookError):
    """The object under review is not of the form that its kind has; names the field. A review that
    raises it is a denial."""
