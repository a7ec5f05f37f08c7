"""Which tokens prove which identity, by what the API server says of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.client import KubeClient
from linkerd.kube.reviews import TokenReviewStatus, UserInfo
from linkerd.mesh.names import is_dns_label
from services.identity.errors import (
    CallError,
    InvalidRequestError,
    RefusedError,
    ReviewRefusedError,
    ReviewUnavailableError,
)
from services.identity.tokens.judge import KubeReviewer, TokenJudge, decode, identity_of_user
from tests.support.certificates import DOMAIN, IDENTITY

TOKEN = "ey-secret.token.text"
OURS = ("identity.l5d.io",)


class Reviewer:
    def __init__(self, *script: TokenReviewStatus) -> None:
        self.script = list(script)
        self.audiences: list[tuple[str, ...]] = []

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        assert token == TOKEN
        self.audiences.append(tuple(audiences))
        return self.script.pop(0)


def good(*audiences: str) -> TokenReviewStatus:
    user = UserInfo(username="system:serviceaccount:shop:checkout")
    return TokenReviewStatus(authenticated=True, user=user, audiences=audiences)


def bad(error: str) -> TokenReviewStatus:
    return TokenReviewStatus(error=error)


async def judge(*script: TokenReviewStatus) -> tuple[str, list[tuple[str, ...]]]:
    reviewer = Reviewer(*script)
    found = await TokenJudge(reviewer, DOMAIN).identity_of(TOKEN)
    assert not reviewer.script
    return found, reviewer.audiences


async def refusal(kind: type[CallError], *script: TokenReviewStatus) -> tuple[str, int]:
    reviewer = Reviewer(*script)
    with pytest.raises(kind) as caught:
        await TokenJudge(reviewer, DOMAIN).identity_of(TOKEN)
    assert not reviewer.script
    return str(caught.value), len(reviewer.audiences)


class TestVerdicts:
    async def test_good(self) -> None:
        assert await judge(good(*OURS)) == (IDENTITY, [OURS])
        assert await judge(good("other", *OURS)) == (IDENTITY, [OURS])

    async def test_i19_not_authenticated(self) -> None:
        message, asked = await refusal(RefusedError, TokenReviewStatus())
        assert "could not be authenticated" in message
        assert asked == 1

    async def test_i20_error(self) -> None:
        message, asked = await refusal(InvalidRequestError, bad("token expired"))
        assert message.startswith("token is not valid: token expired; send what the token file")
        assert asked == 1

    async def test_error_counts_before_authenticated(self) -> None:
        both = TokenReviewStatus(
            authenticated=True, audiences=OURS, error="broken", user=good().user
        )
        assert "not valid: broken;" in (await refusal(InvalidRequestError, both))[0]

    async def test_i21_old_token(self) -> None:
        wrong = bad('[invalid bearer token, token audiences ["api"] is invalid for ...]')
        assert await judge(wrong, good("api")) == (IDENTITY, [OURS, ()])

    async def test_i22_foreign_audience(self) -> None:
        wrong = bad('token audiences ["vault"] is invalid')
        again = bad('token audiences ["vault"] is invalid for ["https://kubernetes.default"]')
        message, asked = await refusal(InvalidRequestError, wrong, again)
        assert message.startswith("token is for another audience than identity.l5d.io: mount a")
        assert "vault" in message
        assert "kubernetes.default" not in message, "that is not the audience to mount"
        assert asked == 2

    @pytest.mark.parametrize("audiences", [(), ("https://kubernetes.default.svc",)])
    async def test_server_that_does_not_know_audiences(self, audiences: tuple[str, ...]) -> None:
        message, asked = await refusal(RefusedError, good(*audiences))
        assert "for the audience identity.l5d.io" in message
        assert asked == 1

    async def test_errors_do_not_echo_the_token(self) -> None:
        message, _ = await refusal(InvalidRequestError, bad(f"cannot parse {TOKEN}!"))
        assert message.startswith("token is not valid: cannot parse [token]!;")

    @pytest.mark.parametrize(
        ("token", "says"),
        [(b"\xff\xfe", "token is not text"), (bytes(16385), "has 16385 bytes; at most 16384")],
    )
    def test_not_worth_asking(self, token: bytes, says: str) -> None:
        with pytest.raises(InvalidRequestError, match=says) as caught:
            decode(token)
        assert caught.value.__cause__ is None


class TestUsers:
    @pytest.mark.parametrize(
        ("username", "says"),
        [
            ("system:node:worker-3", "must be a ServiceAccount's"),
            ("kubernetes:serviceaccount:shop:checkout", "must be a ServiceAccount's"),
            ("system:serviceaccount:shop:checkout:x", "must be a ServiceAccount's"),
            ("", "must be a ServiceAccount's"),
            ("system:serviceaccount:shop:check.out", "'check.out' is not a label"),
            (f"system:serviceaccount:shop:{'c' * 64}", "is not a label"),
            ("system:serviceaccount::checkout", "'' is not a label"),
            ("system:serviceaccount:shop:Checkout", "'Checkout' is not a label"),
            ("system:serviceaccount:shop:checkout\n", "is not a label"),
        ],
        ids=["i24", "i25", "five", "empty", "i26", "i27", "no namespace", "case", "newline"],
    )
    def test_refused(self, username: str, says: str) -> None:
        with pytest.raises(InvalidRequestError, match=says):
            identity_of_user(username, DOMAIN)

    def test_63_characters(self) -> None:
        name = "c" * 63
        found = identity_of_user(f"system:serviceaccount:shop:{name}", DOMAIN)
        assert found == f"{name}.shop.serviceaccount.identity.mesh-sys.corp.example"

    @given(st.lists(st.sampled_from(["system", "a", "b-1", "", "A", "a.b", "-"]), max_size=6))
    def test_any_user(self, parts: list[str]) -> None:
        username = ":".join(parts)
        if len(parts) == 4 and parts[0] == "system" and all(map(is_dns_label, parts[1:])):
            _, kind, namespace, name = parts
            expected = f"{name}.{namespace}.{kind}.identity.mesh-sys.corp.example"
            assert identity_of_user(username, DOMAIN) == expected
        else:
            with pytest.raises(InvalidRequestError):
                identity_of_user(username, DOMAIN)


class ApiServer:
    """An HTTP server on loopback that answers as a test says."""

    def __init__(self) -> None:
        self.status = 201
        self.body: str | None = None  # None: no answer
        self.hangs = asyncio.Event()
        self.url = ""

    async def serve(self, _request: web.BaseRequest) -> web.Response:
        if self.body is None:
            await self.hangs.wait()
        return web.Response(status=self.status, text=self.body)


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    peer = ApiServer()
    runner = web.ServerRunner(web.Server(peer.serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    peer.url = f"http://{host}:{port}"
    yield peer
    peer.hangs.set()
    await runner.cleanup()


@pytest.fixture
async def review(api: ApiServer, tmp_path: Path) -> AsyncIterator[KubeReviewer]:
    client = await connect(api.url, tmp_path)
    yield KubeReviewer(client, timeout=0.5)
    await client.close()


async def connect(url: str, directory: Path) -> KubeClient:
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(url=url))
    return await KubeClient.connect(kubeconfig, user_agent="test")


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "{url}"}}}}]
users: [{{name: me, user: {{token: mine}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""


class TestKubeReviewer:
    async def test_answer(self, api: ApiServer, review: KubeReviewer) -> None:
        api.body = """{"status": {"authenticated": true, "audiences": ["identity.l5d.io"],
            "user": {"username": "system:serviceaccount:shop:checkout"}}}"""
        assert await review(TOKEN, OURS) == good(*OURS)

    @pytest.mark.parametrize("status", [500, 503, 429, 504])
    async def test_in_trouble(self, api: ApiServer, review: KubeReviewer, status: int) -> None:
        api.status, api.body = status, f'{{"message": "no {TOKEN}"}}'
        with pytest.raises(ReviewUnavailableError, match="try again"):
            await review(TOKEN, OURS)

    @pytest.mark.parametrize("status", [401, 403, 404])
    async def test_not_for_us(self, api: ApiServer, review: KubeReviewer, status: int) -> None:
        api.status, api.body = status, f'{{"message": "no {TOKEN}"}}'
        with (
            capture_logs() as logs,
            pytest.raises(ReviewRefusedError, match="create on tokenreviews") as caught,
        ):
            await review(TOKEN, OURS)
        assert TOKEN not in repr(caught.value)
        (entry,) = (each for each in logs if each["event"] == "token review failed")
        assert entry["error"].endswith("no [token]")

    async def test_rubbish(self, api: ApiServer, review: KubeReviewer) -> None:
        api.body = "<html>"
        with pytest.raises(ReviewUnavailableError):
            await review(TOKEN, OURS)

    async def test_no_answer(self, review: KubeReviewer) -> None:
        with pytest.raises(ReviewUnavailableError):
            await review(TOKEN, OURS)

    async def test_i23_nobody_listens(self, tmp_path: Path) -> None:
        client = await connect("http://127.0.0.1:1", tmp_path)
        with pytest.raises(ReviewUnavailableError, match="does not answer: try again"):
            await KubeReviewer(client)(TOKEN, OURS)
        await client.close()
