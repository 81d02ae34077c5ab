"""Access control of the live page, and its security headers."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from paceline.core import InvalidInput
from paceline.serving.address import PORT, Address, listen
from paceline.web.hub import Hub
from paceline.web.server import application

TOKEN = "s3cretToken"
ROUTES = ("/", "/events", "/changes", "/anything")
LOCAL = ("localhost", "localhost:9000", "127.0.0.1:8642", "[::1]:8642", "LOCALHOST")
MALFORMED = (
    "[::1].evil.example",
    "[::1]evil:80",
    "localhost:80:80",
    "localhost:port",
    "localhost:123456",
    "[::1",
)
OTHERS = (
    "evil.example",
    "evil.example:8642",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "[::2]",
    "::1",
)
ELSEWHERE = (*OTHERS, *MALFORMED)

Listen = Callable[..., Address]


class Visitor:
    """A client of the page's routes without a server; with `httpx` that needs an event loop."""

    def __init__(self, address: Address, token: str | None, name: str) -> None:
        app = application(name, Hub(Path("nowhere")), address, token)
        self.cookie = f"paceline-{address.port}"
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        )

    def get(self, route: str, **headers: str) -> httpx.Response:
        return self.request("GET", route, **headers)

    def request(self, method: str, route: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._client.request(method, route, headers=headers))


Visit = Callable[..., Visitor]


@pytest.fixture
def listening() -> Iterator[Listen]:
    """`listen`, with everything closed at the end."""
    opened: list[Address] = []

    def listening(host: str = "127.0.0.1", port: int | None = 0) -> Address:
        opened.append(listen(host, port))
        return opened[-1]

    yield listening
    for address in opened:
        address.socket.close()


@pytest.fixture
def visit(listening: Listen) -> Visit:
    """A browser at the page of a study."""

    def visiting(host: str = "127.0.0.1", token: str | None = None, name: str = "study") -> Visitor:
        return Visitor(listening(host), token, name)

    return visiting


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_by_any_of_its_names_and_through_a_tunnel(visit: Visit, host: str) -> None:
    assert visit().get("/", Host=host).status_code == 200


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("route", ROUTES)
def test_dns_rebinding_is_refused(visit: Visit, host: str, route: str) -> None:
    answer = visit().get(route, Host=host)
    assert (answer.status_code, "script" in answer.text) == (421, False)


def test_a_page_that_others_can_reach_may_have_any_name(visit: Visit) -> None:
    assert visit("0.0.0.0", TOKEN).get(f"/?token={TOKEN}", Host="lab.example").status_code == 200


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "bring", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?token={TOKEN[:-1]}", "?token=é"]
)
def test_every_route_requires_the_token(visit: Visit, route: str, bring: str) -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        browser = visit(host, TOKEN)
        for cookie in (None, "wrong", TOKEN + "x"):
            headers = {} if cookie is None else {"Cookie": f"{browser.cookie}={cookie}"}
            answer = browser.get(route + bring, **headers)
            assert answer.status_code == 401
            assert "token" in answer.text
            assert TOKEN not in answer.text
            assert "set-cookie" not in answer.headers


def test_the_token_in_the_address_sets_a_cookie(visit: Visit) -> None:
    browser = visit("0.0.0.0", TOKEN)
    assert (
        browser.get(f"/changes?token={TOKEN}").status_code == 401
    )  # only the page itself takes it
    first = browser.get(f"/?token={TOKEN}")
    assert first.status_code == 200
    assert re.fullmatch(
        rf"paceline-\d+={TOKEN}; HttpOnly; SameSite=Strict; Path=/", first.headers["set-cookie"]
    )
    for route, status in (("/", 200), ("/changes", 200), ("/anything", 404)):
        assert browser.get(route).status_code == status


def test_no_route_writes(visit: Visit) -> None:
    browser = visit()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for route in ROUTES:
            assert browser.request(method, route).status_code == 405


def test_every_response_has_security_headers(visit: Visit) -> None:
    answers = [visit().get(route) for route in ("/", "/changes", "/anything")]
    answers += [
        visit(token=TOKEN).get("/"),
        visit().get("/", Host="evil.example"),
        visit().request("POST", "/"),
    ]
    assert {answer.status_code for answer in answers} == {200, 404, 401, 421, 405}
    for answer in answers:
        policy = dict(
            one.split(" ", 1) for one in answer.headers["content-security-policy"].split("; ")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert not re.search(r"https?:|\*|unsafe-eval", " ".join(policy.values()))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


def test_files_come_from_the_server_and_are_cacheable(visit: Visit) -> None:
    browser = visit()
    page = browser.get("/").text
    files = re.findall(r'(?:src|href)="([^":]+)"', page)
    assert [re.sub(r"-[\w.]+\.(?=\w+$)", ".", name) for name in files] == [
        "live.css",
        "plotly.js",
        "live.js",
    ]
    for name in files:
        answer = browser.get(name)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert browser.get("/").headers["cache-control"] == "no-store"


def test_a_study_whose_name_is_html(visit: Visit) -> None:
    page = visit(name="<script>alert(1)</script>").get("/").text
    assert "<script>alert" not in page
    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt;</h1>" in page


def test_addresses(listening: Listen) -> None:
    here, everywhere = listening(), listening("0.0.0.0")
    assert (here.is_loopback, everywhere.is_loopback) == (True, False)
    assert listening("localhost").is_loopback
    assert here.url() == f"http://127.0.0.1:{here.port}/"
    assert here.url("a b") == f"http://127.0.0.1:{here.port}/?token=a%20b"
    assert everywhere.url() == f"http://{socket.gethostname()}:{everywhere.port}/"
    if socket.has_ipv6:
        assert listening("::1").url().startswith("http://[::1]:")


def test_a_port_that_is_taken(listening: Listen) -> None:
    taken = listening()
    with pytest.raises(InvalidInput, match=rf"port {taken.port} is taken by another program"):
        listening(port=taken.port)
    first, second = listening(port=None), listening(port=None)
    assert PORT != second.port != first.port


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "300.1.1.1", "a" * 300])
def test_a_host_that_is_another_machine(listening: Listen, host: str) -> None:
    with pytest.raises(InvalidInput, match="is not an address of this machine"):
        listening(host)


def test_an_invalid_port(listening: Listen) -> None:
    with pytest.raises(InvalidInput, match="port is 65536"):
        listening(port=65536)
