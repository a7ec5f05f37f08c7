"""An API server that judges tokens as a test wants it."""

import asyncio
from collections.abc import Sequence

from linkerd.kube.reviews import TokenReviewStatus

OURS = ("identity.l5d.io",)
GOOD = TokenReviewStatus(authenticated=True, audiences=OURS)


class ApiServer:
    """Answers when it is let, and counts."""

    def __init__(self) -> None:
        self.verdict: TokenReviewStatus | Exception = GOOD
        self.script: list[TokenReviewStatus | Exception] = []
        self.asked: list[str] = []
        self.under_way = self.most = 0
        self.open = asyncio.Event()
        self.open.set()

    def has_under_way(self, number: int) -> bool:
        """Whether so many wait for their answer."""
        return self.under_way == number

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        self.asked.append(token)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        verdict = self.script.pop(0) if self.script else self.verdict
        if isinstance(verdict, Exception):
            raise verdict
        return verdict
