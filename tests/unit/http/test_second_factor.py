from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from app.adapters.http.access import ACCESS, BEFORE_ENROLMENT
from app.adapters.memory.identity.one_time_codes import SequentialCodes
from app.domain.identity.api_keys import WantedKey
from app.domain.identity.users import User
from app.domain.principal import Scope
from tests.application import PASSWORD, MemoryApplication
from tests.unit.http.api import GUARDED, JSON, refusal
from tests.use_cases import STEP, Device

LOGIN: Final = "/v1/auth/login"
MFA: Final = "/v1/auth/mfa"
OWN: Final = "/v1/users/me/mfa"
ME: Final = "/v1/users/me"

Headers = dict[str, str]


class Alice:
    """A user of the API with a second factor."""

    def __init__(
        self, client: httpx.AsyncClient, headers: Headers, device: Device, codes: list[str]
    ) -> None:
        self.headers = headers
        self.device = device
        self.recovery_codes = codes
        self._client = client

    async def log_in(self) -> httpx.Response:
        return await self._client.post(LOGIN, json={"username": "alice", "password": PASSWORD})

    async def finish(self, code: str, *, challenge: str | None = None) -> httpx.Response:
        if challenge is None:
            challenge = (await self.log_in()).json()["mfa_challenge"]
        return await self._client.post(MFA, json={"challenge": challenge, "code": code})


@pytest.fixture
async def alices(application: MemoryApplication) -> User:
    return await application.users.create_user(username="alice", password=PASSWORD)


@pytest.fixture
async def headers(client: httpx.AsyncClient, alices: User) -> Headers:
    answer = await client.post(LOGIN, json={"username": alices.username, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def alice(
    application: MemoryApplication, client: httpx.AsyncClient, headers: Headers
) -> Alice:
    begun = await client.post(OWN, json={"current_password": PASSWORD}, headers=headers)
    device = Device(application, begun.json()["secret"])
    confirmed = await client.post(f"{OWN}/confirm", json={"code": device.code()}, headers=headers)
    application.clock.advance(STEP)
    return Alice(client, headers, device, confirmed.json()["recovery_codes"])


def is_kept_out_of_caches(answer: httpx.Response) -> bool:
    return answer.headers["Cache-Control"] == "no-store"


# -- enrolling -------------------------------------------------------------------------------


async def test_enrolling_shows_the_secret_once(client: httpx.AsyncClient, headers: Headers) -> None:
    answer = await client.post(OWN, json={"current_password": PASSWORD}, headers=headers)
    secret = answer.json()["secret"]
    assert (answer.status_code, answer.json().keys()) == (201, {"secret", "uri"})
    assert is_kept_out_of_caches(answer)
    assert secret not in (await client.get(OWN, headers=headers)).text


async def test_a_wrong_password_enrols_nothing(client: httpx.AsyncClient, headers: Headers) -> None:
    answer = await client.post(OWN, json={"current_password": "wrong"}, headers=headers)
    assert refusal(answer) == (403, "wrong_password")


async def test_a_wrong_code_confirms_nothing(client: httpx.AsyncClient, headers: Headers) -> None:
    await client.post(OWN, json={"current_password": PASSWORD}, headers=headers)
    answer = await client.post(f"{OWN}/confirm", json={"code": "no code"}, headers=headers)
    assert refusal(answer) == (403, "wrong_code")
    assert not (await client.get(OWN, headers=headers)).json()["enrolled"]


async def test_confirming_shows_ten_recovery_codes(
    application: MemoryApplication, client: httpx.AsyncClient, headers: Headers
) -> None:
    begun = await client.post(OWN, json={"current_password": PASSWORD}, headers=headers)
    code = SequentialCodes().code_at(secret=begun.json()["secret"], at=application.clock.now())
    answer = await client.post(f"{OWN}/confirm", json={"code": code}, headers=headers)
    assert (answer.status_code, len(answer.json()["recovery_codes"])) == (200, 10)
    assert is_kept_out_of_caches(answer)


async def test_one_is_told_how_it_stands(client: httpx.AsyncClient, alice: Alice) -> None:
    assert (await client.get(OWN, headers=alice.headers)).json() == {
        "enrolled": True,
        "confirmed_at": "2026-01-02T03:04:05.678901Z",
        "recovery_codes_left": 10,
        "required": False,
    }


async def test_what_does_not_fit_how_it_stands_is_a_conflict(
    client: httpx.AsyncClient, headers: Headers, user: Headers, alice: Alice
) -> None:
    proof = {"current_password": PASSWORD, "code": "123456"}
    refusals = [
        refusal(await client.post(OWN + path, json=body, headers=caller))
        for path, body, caller in (
            ("", {"current_password": PASSWORD}, alice.headers),
            ("/confirm", {"code": "123456"}, headers),
            ("/confirm", {"code": "123456"}, user),
            ("/recovery-codes", proof, user),
            ("/remove", proof, user),
        )
    ]
    assert refusals == [(409, "second_factor_enrolled")] * 2 + [(409, "no_second_factor")] * 3


async def test_a_wrong_code_changes_nothing_and_ends_no_session(
    client: httpx.AsyncClient, alice: Alice
) -> None:
    """Not a 401, from which a client would take its token for expired."""
    proof = {"current_password": PASSWORD, "code": "no code"}
    answers = [
        await client.post(OWN + path, json=proof, headers=alice.headers)
        for path in ("/recovery-codes", "/remove")
    ]
    assert [refusal(answer) for answer in answers] == [(403, "wrong_code")] * 2
    assert (await client.get(ME, headers=alice.headers)).status_code == 200


async def test_new_recovery_codes_are_shown_once(client: httpx.AsyncClient, alice: Alice) -> None:
    proof = {"current_password": PASSWORD, "code": alice.device.code()}
    answer = await client.post(f"{OWN}/recovery-codes", json=proof, headers=alice.headers)
    assert (answer.status_code, len(answer.json()["recovery_codes"])) == (200, 10)
    assert is_kept_out_of_caches(answer)


async def test_one_removes_their_own(client: httpx.AsyncClient, alice: Alice) -> None:
    proof = {"current_password": PASSWORD, "code": alice.recovery_codes[0]}
    answer = await client.post(f"{OWN}/remove", json=proof, headers=alice.headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await alice.log_in()).status_code == 200


async def test_an_administrator_removes_that_of_somebody_else(
    client: httpx.AsyncClient, alice: Alice, alices: User, admin: Headers
) -> None:
    answer = await client.delete(f"/v1/users/{alices.id}/mfa", headers=admin)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await alice.log_in()).status_code == 200


async def test_an_administrator_does_not_remove_their_own_so(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    own = (await client.get(ME, headers=admin)).json()["id"]
    answer = await client.delete(f"/v1/users/{own}/mfa", headers=admin)
    assert refusal(answer) == (403, "own_second_factor")


async def test_of_an_unknown_user_nothing_is_removed(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    answer = await client.delete(f"/v1/users/{UUID(int=0)}/mfa", headers=admin)
    assert refusal(answer) == (404, "unknown_user")


# -- logging in ------------------------------------------------------------------------------


async def test_a_login_that_lacks_a_code_is_given_a_challenge(alice: Alice) -> None:
    answer = await alice.log_in()
    assert refusal(answer) == (401, "mfa_required")
    assert answer.json()["expires_in"] == 300
    assert len(answer.json()["mfa_challenge"]) == 43
    assert is_kept_out_of_caches(answer)


async def test_a_code_opens_a_session(client: httpx.AsyncClient, alice: Alice) -> None:
    answer = await alice.finish(alice.device.code())
    tokens = answer.json()
    headers = {"Authorization": f"{tokens['token_type']} {tokens['access_token']}"}
    assert (answer.status_code, is_kept_out_of_caches(answer)) == (200, True)
    assert (await client.get(ME, headers=headers)).json()["username"] == "alice"


async def test_it_answers_as_a_login_does(
    client: httpx.AsyncClient, alice: Alice, user: Headers
) -> None:
    assert user
    login = await client.post(LOGIN, json={"username": "user", "password": PASSWORD})
    assert (await alice.finish(alice.device.code())).json().keys() == login.json().keys()


async def test_a_wrong_code_and_a_used_challenge_are_told_apart(alice: Alice) -> None:
    challenge = (await alice.log_in()).json()["mfa_challenge"]
    code = alice.device.code()
    answers = [
        await alice.finish(each, challenge=challenge)
        for each in ("000000", code, alice.recovery_codes[0])
    ]
    told = [answer.status_code if answer.is_success else refusal(answer) for answer in answers]
    assert told == [(401, "invalid_code"), 200, (401, "invalid_challenge")]


async def rows(client: httpx.AsyncClient, admin: Headers) -> list[tuple[str, str | None, str]]:
    items: list[dict[str, Any]] = (await client.get("/v1/login-log", headers=admin)).json()["items"]
    return [
        (row["username"], row["fail_reason"], row["error_code"])
        for row in items
        if row["username"] != "admin"
    ]


async def test_both_halves_of_a_login_are_in_the_log(
    client: httpx.AsyncClient, alice: Alice, admin: Headers
) -> None:
    await alice.finish("000000")
    await alice.finish("000000", challenge="unknown")
    await alice.finish(alice.device.code())
    assert (await rows(client, admin))[:-1] == [
        ("alice", None, None),
        ("alice", "mfa_required", "E401"),
        ("", "mfa_failed", "E401"),
        ("alice", "mfa_failed", "E401"),
        ("alice", "mfa_required", "E401"),
    ]


MALFORMED: Final[list[bytes]] = [
    *(b"", b"{", b"[]", b"null", b"\xff", b'{"challenge": "x"}', b'{"code": "123456"}'),
    *(b'{"challenge": "x", "code": 123456}', b'{"challenge": "x", "code": ""}'),
    b'{"challenge": "x", "code": "%b"}' % (b"1" * 65),
    b'{"challenge": "x", "code": "123456", "password": "x"}',
]


async def test_a_malformed_answer_to_a_challenge_is_an_attempt(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    answers = [await client.post(MFA, content=body, headers=JSON) for body in MALFORMED]
    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(MALFORMED)
    assert await rows(client, admin) == [("", "malformed", "E400")] * len(MALFORMED)


async def test_no_refusal_shows_what_was_sent(client: httpx.AsyncClient) -> None:
    bodies: list[dict[str, object]] = [
        {"challenge": "opensesame", "code": "opensesame"},
        {"challenge": ["opensesame"], "code": {"opensesame": 1}},
        {"challenge": "opensesame" * 1000, "code": "opensesame" * 10},
    ]
    answers = [await client.post(MFA, json=body) for body in bodies]
    assert [answer.text for answer in answers if "opensesame" in answer.text] == []


async def test_an_answer_that_cannot_be_recorded_opens_no_session(
    application: MemoryApplication, alice: Alice
) -> None:
    challenge = (await alice.log_in()).json()["mfa_challenge"]
    application.identity_store.down = True
    answer = await alice.finish(alice.device.code(), challenge=challenge)
    application.identity_store.down = False
    assert refusal(answer) == (503, "store_unavailable")
    assert (await alice.finish(alice.device.code(), challenge=challenge)).status_code == 200


# -- who has to have one ---------------------------------------------------------------------


@pytest.fixture
async def demanded(
    application: MemoryApplication, client: httpx.AsyncClient, admin: Headers
) -> Headers:
    """Give the header of an administrator who has to have a second factor, and has none."""
    own = (await client.get(ME, headers=admin)).json()["id"]
    await application.users.change_user(user_id=UUID(own), changes={"mfa_required": True})
    return admin


def test_what_is_open_before_enrolment_is_served() -> None:
    assert ACCESS.keys() >= BEFORE_ENROLMENT


async def test_who_has_to_enrol_first_may_do_nothing_else(
    client: httpx.AsyncClient, demanded: Headers
) -> None:
    closed = [each for each in GUARDED if (each.method, each.path) not in BEFORE_ENROLMENT]
    answers = [await client.request(each.method, each.url(), headers=demanded) for each in closed]
    assert {refusal(answer) for answer in answers} == {(403, "mfa_enrolment_required")}


async def test_who_has_to_enrol_first_may_do_what_that_takes(
    client: httpx.AsyncClient, demanded: Headers
) -> None:
    of_this_session = {("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions/{session_id}")}
    answers = [
        await client.request(method, path, headers=demanded)
        for method, path in sorted(BEFORE_ENROLMENT - of_this_session)
    ]
    assert {answer.status_code for answer in answers} == {200, 204, 422}


async def test_a_key_of_who_has_to_enrol_first_may_do_nothing(
    application: MemoryApplication, client: httpx.AsyncClient, demanded: Headers
) -> None:
    me = (await client.get("/v1/users/me", headers=demanded)).json()
    wanted = WantedKey("bot", frozenset({Scope.RANGE_UNITS_READ}))
    issued = await application.api_keys.create(user_id=UUID(me["id"]), wanted=wanted)
    answer = await client.get("/v1/exchanges", headers={"Authorization": f"Bearer {issued.text}"})
    assert refusal(answer) == (403, "mfa_enrolment_required")


async def test_once_they_have_enrolled_they_may_do_all_again(
    application: MemoryApplication, client: httpx.AsyncClient, demanded: Headers
) -> None:
    begun = await client.post(OWN, json={"current_password": PASSWORD}, headers=demanded)
    code = Device(application, begun.json()["secret"]).code()
    await client.post(f"{OWN}/confirm", json={"code": code}, headers=demanded)
    assert (await client.get("/v1/users", headers=demanded)).status_code == 200


async def test_who_has_to_enrol_first_may_log_out(
    client: httpx.AsyncClient, demanded: Headers
) -> None:
    assert (await client.post("/v1/auth/logout", headers=demanded)).status_code == 204
