"""What can be wrong with the certificates that a mesh hangs on."""


class PemError(Exception):
    """Text is not the PEM that its place needs. Holds nothing of the text."""


class TrustProblem(Exception):  # noqa: N818  # an answer about certificates, not a fault of ours
    """Issuer or trust anchors cannot be used: `where` names the file or the object and its key,
    `problem` says what is wrong there and what to do."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem
