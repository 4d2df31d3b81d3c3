from uuid import UUID

import httpx
import pytest

from app.domain.errors import SchemaOutOfDate
from tests.application import BODY_LIMIT, PAYLOAD_LIMIT, MemoryApplication
from tests.unit.http.api import INGEST, Chunks, refusal, send

LOGIN = "/v1/auth/login"


# -- the id of a request ---------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["a", "bot-7.order_0815", "x" * 40])
async def test_a_well_formed_request_id_is_kept(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/livez", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent


async def test_any_other_request_id_is_replaced(client: httpx.AsyncClient) -> None:
    others = [
        b"",
        b"x" * 41,
        b"x" * 43,  # as long as a refresh token
        b"two words",
        b"a/b",
        b"a;b",
        b"\x1b[31m",
        b"\xe4",
        b"a\n",
        b"\x00",
        b"{}",
    ]
    for sent in others:
        answer = await client.get("/livez", headers=[(b"X-Request-ID", sent)])
        given = answer.headers["X-Request-ID"]
        assert str(UUID(given)) == given, sent


async def test_each_request_without_an_id_is_given_its_own(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/livez")).headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/v1/users/me", "/openapi.json"])
async def test_every_answer_carries_the_request_id_once(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers={"X-Request-ID": "order-1"})
    assert answer.headers.get_list("X-Request-ID") == ["order-1"]


async def test_a_problem_names_the_request(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-ID": "order-1"})
    assert answer.json()["request_id"] == "order-1"


# -- the bound on bodies ---------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(BODY_LIMIT,), (BODY_LIMIT - 1, 1), (BODY_LIMIT, 0)])
async def test_a_body_of_the_most_bytes_is_read(
    client: httpx.AsyncClient, chunks: tuple[int, ...]
) -> None:
    body = Chunks(*(b" " * size for size in chunks))
    answer = await send(client, "POST", LOGIN, body, length=str(BODY_LIMIT).encode())
    assert answer.status_code == 422


async def test_an_announced_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    body, length = Chunks(b" " * (BODY_LIMIT + 1)), str(BODY_LIMIT + 1).encode()
    answer = await send(client, "POST", LOGIN, body, length=length)
    assert refusal(answer) == (413, "body_too_large")


async def test_a_body_is_measured_whatever_it_claims_to_be(client: httpx.AsyncClient) -> None:
    for claim in (None, b"1", b"-1", b"0", b"many", b"", b"\xb2", b"1, 1", b"+1", b" "):
        answer = await send(client, "POST", LOGIN, Chunks(b" " * BODY_LIMIT, b" "), length=claim)
        assert refusal(answer) == (413, "body_too_large"), claim


@pytest.mark.parametrize("digits", [str(BODY_LIMIT + 1), "9" * 30, "9" * 5000], ids=len)
async def test_a_body_that_claims_to_be_too_large_is_refused_before_it_has_come(
    client: httpx.AsyncClient, digits: str
) -> None:
    body = Chunks(b" ", b" ", b" ")
    await send(client, "POST", LOGIN, body, length=digits.encode())
    assert body.read <= 1


async def test_no_more_is_read_of_a_body_that_is_too_large(client: httpx.AsyncClient) -> None:
    body = Chunks(*[b" " * BODY_LIMIT] * 10)
    await send(client, "POST", LOGIN, body)
    assert body.read == 2


async def test_range_units_may_come_in_larger_bodies(
    client: httpx.AsyncClient, admin: dict[str, str], market: str
) -> None:
    body = Chunks(b" " * PAYLOAD_LIMIT)
    answer = await send(client, "PUT", f"{market}/range-units", body, admin)
    assert answer.status_code == 422


async def test_range_units_are_bounded_too(
    client: httpx.AsyncClient, admin: dict[str, str], market: str
) -> None:
    body = Chunks(b" " * PAYLOAD_LIMIT, b" ")
    answer = await send(client, "PUT", f"{market}/range-units", body, admin)
    assert refusal(answer) == (413, "body_too_large")


@pytest.mark.usefixtures("market")
async def test_the_reply_of_an_exchange_is_bounded_too(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await send(client, "POST", INGEST, Chunks(b" " * PAYLOAD_LIMIT, b" "), admin)
    assert refusal(answer) == (413, "body_too_large")


# -- health ----------------------------------------------------------------------------------


async def test_the_process_is_alive_without_its_stores(
    application: MemoryApplication, client: httpx.AsyncClient
) -> None:
    application.identity_store.down = application.range_units_store.down = True
    application.not_ready = SchemaOutOfDate()
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_the_service_is_ready_when_nothing_speaks_against_it(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_503_says_when_to_come_again_where_nobody_knows_better(
    application: MemoryApplication, client: httpx.AsyncClient
) -> None:
    application.not_ready = SchemaOutOfDate()
    answer = await client.get("/readyz")
    assert (answer.headers["Retry-After"], answer.json()["retry_after"]) == ("30", 30)


async def test_the_service_says_why_it_is_not_ready(
    application: MemoryApplication, client: httpx.AsyncClient
) -> None:
    application.not_ready = SchemaOutOfDate()
    assert refusal(await client.get("/readyz")) == (503, "schema_out_of_date")


async def test_the_service_is_ready_again_once_it_can_be(
    application: MemoryApplication, client: httpx.AsyncClient
) -> None:
    application.not_ready = SchemaOutOfDate()
    await client.get("/readyz")
    application.not_ready = None
    assert (await client.get("/readyz")).status_code == 200
