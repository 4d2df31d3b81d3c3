from typing import Any, Final

import httpx
import pytest

from tests.application import PASSWORD
from tests.unit.http.api import faults, refusal

USERS: Final = "/v1/users"
ME: Final = "/v1/users/me"
NEW_PASSWORD: Final = "staple battery horse correct"


async def create(client: httpx.AsyncClient, admin: dict[str, str], **other: Any) -> httpx.Response:
    body = {"username": "grid-bot-7", "password": PASSWORD} | other
    return await client.post(USERS, json=body, headers=admin)


async def log_in(client: httpx.AsyncClient, username: str, password: str) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"username": username, "password": password})


async def change(
    client: httpx.AsyncClient,
    user: dict[str, str],
    current: str = PASSWORD,
    new: str = NEW_PASSWORD,
) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await client.post(f"{ME}/password", json=body, headers=user)


# -- resets ----------------------------------------------------------------------------------


async def reset(client: httpx.AsyncClient, admin: dict[str, str]) -> dict[str, str]:
    """Register a user, and give the answer to their reset."""
    user = (await create(client, admin)).json()
    answer = await client.post(f"{USERS}/{user['id']}/reset", headers=admin)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    document: dict[str, str] = answer.json()
    return document


async def redeem(client: httpx.AsyncClient, **other: str) -> httpx.Response:
    body = {"username": "grid-bot-7", "new_password": NEW_PASSWORD} | other
    return await client.post("/v1/auth/reset", json=body)


async def test_an_administrator_gets_a_code_that_sets_a_new_password_once(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    issued = await reset(client, admin)
    assert issued.keys() == {"code", "expires_at"}
    assert issued["expires_at"] == "2026-01-02T04:04:05.678901Z"
    answer = await redeem(client, code=issued["code"].lower())
    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(await redeem(client, code=issued["code"])) == (401, "invalid_reset_code")
    assert (await log_in(client, "grid-bot-7", NEW_PASSWORD)).status_code == 200


async def test_every_refusal_of_a_code_is_the_same(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    issued = await reset(client, admin)
    answers = [
        await redeem(client, code="ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2"),
        await redeem(client, code=issued["code"], username="nobody"),
        await redeem(client, code=issued["code"], username="user\0"),
        await redeem(client, code=""),
        await redeem(client, code="ABCDE", new_password="too short"),
    ]
    told = [answer.json() for answer in answers]
    for document in told:
        del document["request_id"]
    assert told == [told[0]] * len(answers)
    assert refusal(answers[0]) == (401, "invalid_reset_code")


async def test_a_weak_password_leaves_the_code_good(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    issued = await reset(client, admin)
    answer = await redeem(client, code=issued["code"], new_password="too short")
    assert refusal(answer) == (422, "weak_password")
    assert faults(answer).keys() == {"new_password"}
    assert (await redeem(client, code=issued["code"])).status_code == 204


async def test_a_redemption_that_is_no_request_is_in_the_log_too(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await client.post("/v1/auth/reset", json={"username": "bot", "code": 7})
    assert refusal(answer) == (422, "invalid_request")
    found = await client.get("/v1/login-log?reason=malformed", headers=admin)
    assert [item["username"] for item in found.json()["items"]] == ["bot"]


async def test_nobody_resets_themselves(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    me = (await client.get(f"{USERS}/me", headers=admin)).json()["id"]
    answer = await client.post(f"{USERS}/{me}/reset", headers=admin)
    assert refusal(answer) == (403, "own_reset")


async def test_the_current_password_cannot_be_set_again_by_a_reset(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    issued = await reset(client, admin)
    answer = await redeem(client, code=issued["code"], new_password=PASSWORD)
    assert (refusal(answer), faults(answer)) == (
        (422, "weak_password"),
        {"new_password": "is the current password"},
    )


async def test_an_unknown_user_has_no_reset(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    nobody = "00000000-0000-0000-0000-00000000ffff"
    answer = await client.post(f"{USERS}/{nobody}/reset", headers=admin)
    assert refusal(answer) == (404, "unknown_user")


# -- registering -----------------------------------------------------------------------------


async def test_a_registered_user_is_shown_without_the_password(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await create(client, admin, email="Bot@example.org", role="admin")
    assert answer.status_code == 201
    assert answer.json() == {
        "id": answer.json()["id"],
        "username": "grid-bot-7",
        "email": "Bot@example.org",
        "role": "admin",
        "disabled": False,
        "created_at": "2026-01-02T03:04:05.678901Z",
        "password_changed_at": "2026-01-02T03:04:05.678901Z",
        "password_expires_at": None,
        "mfa_required": False,
        "has_second_factor": False,
    }


async def test_a_registered_user_is_found_where_the_answer_says(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    created = await create(client, admin)
    assert created.headers["Location"] == f"/v1/users/{created.json()['id']}"
    found = await client.get(created.headers["Location"], headers=admin)
    assert (found.status_code, found.json()) == (200, created.json())


@pytest.mark.parametrize("other", [{}, {"email": None, "role": "user"}])
async def test_a_user_has_no_address_and_is_no_admin_unless_it_is_said(
    client: httpx.AsyncClient, admin: dict[str, str], other: dict[str, str | None]
) -> None:
    user = (await create(client, admin, **other)).json()
    assert (user["email"], user["role"]) == (None, "user")


async def test_a_registered_user_may_log_in(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await create(client, admin)
    assert (await log_in(client, "grid-bot-7", PASSWORD)).status_code == 200


@pytest.mark.parametrize("username", ["grid-bot-7", "GRID-Bot-7"])
async def test_a_username_is_taken_in_any_case(
    client: httpx.AsyncClient, admin: dict[str, str], username: str
) -> None:
    await create(client, admin)
    assert refusal(await create(client, admin, username=username)) == (409, "username_taken")


async def test_an_address_is_taken_in_any_case(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await create(client, admin, email="bot@example.org")
    answer = await create(client, admin, username="bot-8", email="BOT@example.org")
    assert refusal(answer) == (409, "email_taken")


async def test_what_cannot_be_registered_is_refused_by_field(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    unregistrable: list[tuple[str, str | None, str]] = [
        ("username", "ab", "invalid_user"),
        ("username", "a" * 65, "invalid_user"),
        ("username", "аdmin", "invalid_user"),  # noqa: RUF001 - a letter that looks like another
        ("username", "two words", "invalid_user"),
        ("username", "", "invalid_user"),
        ("email", "", "invalid_user"),
        ("email", "nobody", "invalid_user"),
        ("email", "a@b@c.org", "invalid_user"),
        ("password", "x" * 14, "weak_password"),
        ("password", "grid-bot-7grid-bot-7", "weak_password"),
        ("password", "Tickgate-tickgate", "weak_password"),
        ("password", "ß" * 513, "weak_password"),
        ("password", "", "invalid_request"),
        ("password", "x" * 1025, "invalid_request"),
        ("role", "root", "invalid_request"),
        ("role", None, "invalid_request"),
    ]
    for field, value, code in unregistrable:
        answer = await create(client, admin, **{field: value})
        assert (*refusal(answer), *faults(answer)) == (422, code, field), value


async def test_a_password_may_be_as_long_as_its_bound(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    longest = "ß" * 511 + "é"
    await create(client, admin, password=longest)
    assert (await log_in(client, "grid-bot-7", longest)).status_code == 200


# -- showing ---------------------------------------------------------------------------------


async def test_users_see_themselves(client: httpx.AsyncClient, user: dict[str, str]) -> None:
    answer = await client.get(ME, headers=user)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": answer.json()["id"],
        "username": "user",
        "email": None,
        "role": "user",
        "disabled": False,
        "created_at": "2026-01-02T03:04:05.678901Z",
        "password_changed_at": "2026-01-02T03:04:05.678901Z",
        "password_expires_at": None,
        "mfa_required": False,
        "has_second_factor": False,
    }


async def test_an_unknown_user_is_not_found(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await client.get(f"{USERS}/00000000-0000-0000-0000-00000000ffff", headers=admin)
    assert refusal(answer) == (404, "unknown_user")


async def test_users_are_listed_in_the_order_of_their_registration(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    created = [
        (await create(client, admin, username=name)).json() for name in ("zoe", "ann", "Bob")
    ]
    answer = await client.get(USERS, headers=admin)
    _, *items = answer.json()["items"]
    assert (items, answer.json()["next_cursor"]) == (created, None)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_a_list_of_users_goes_on_where_its_cursor_says(
    client: httpx.AsyncClient, admin: dict[str, str], limit: int
) -> None:
    for name in ("zoe", "ann", "bob"):
        await create(client, admin, username=name)
    names, query = [], {"limit": str(limit)}
    while True:
        page = (await client.get(USERS, params=query, headers=admin)).json()
        names.append([user["username"] for user in page["items"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    everyone = ["admin", "zoe", "ann", "bob"]
    assert names == [everyone[at : at + limit] for at in range(0, 4, limit)]


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "true", "", "１", "9" * 5000])  # noqa: RUF001 - a digit of another script
async def test_a_list_has_between_one_and_five_hundred_items(
    client: httpx.AsyncClient, admin: dict[str, str], limit: str
) -> None:
    answer = await client.get(USERS, params={"limit": limit}, headers=admin)
    assert (refusal(answer), list(faults(answer))) == ((422, "invalid_request"), ["limit"])


@pytest.mark.parametrize("limit", ["1_0", " 5 "])
async def test_a_limit_is_written_plainly(
    client: httpx.AsyncClient, admin: dict[str, str], limit: str
) -> None:
    answer = await client.get(USERS, params={"limit": limit}, headers=admin)
    assert answer.status_code == 422


async def test_a_list_may_have_five_hundred_items(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await client.get(USERS, params={"limit": "500"}, headers=admin)
    assert answer.status_code == 200


# -- changing one's password -----------------------------------------------------------------


async def test_changing_a_password_answers_with_nothing(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    answer = await change(client, user)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(("password", "status"), [(PASSWORD, 401), (NEW_PASSWORD, 200)])
async def test_the_new_password_takes_the_place_of_the_old_one(
    client: httpx.AsyncClient, user: dict[str, str], password: str, status: int
) -> None:
    await change(client, user)
    assert (await log_in(client, "user", password)).status_code == status


async def test_changing_a_password_ends_every_session_but_this_one(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    token = (await log_in(client, "user", PASSWORD)).json()["access_token"]
    await change(client, user)
    other = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
    this = await client.get(ME, headers=user)
    assert (other.status_code, this.status_code) == (401, 200)


async def test_changing_a_password_needs_the_current_one(
    client: httpx.AsyncClient, user: dict[str, str]
) -> None:
    answer = await change(client, user, current="wrong")
    assert refusal(answer) == (403, "wrong_password")


@pytest.mark.parametrize("new", ["x" * 14, PASSWORD, "user" * 5, "ß" * 1024])
async def test_a_password_is_not_changed_to_a_weak_one(
    client: httpx.AsyncClient, user: dict[str, str], new: str
) -> None:
    answer = await change(client, user, new=new)
    assert (refusal(answer), list(faults(answer))) == ((422, "weak_password"), ["new_password"])


# -- changing --------------------------------------------------------------------------------


async def alter(
    client: httpx.AsyncClient, admin: dict[str, str], user_id: str, **changes: Any
) -> httpx.Response:
    return await client.request("PATCH", f"{USERS}/{user_id}", json=changes, headers=admin)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"email": "new@example.org"},
        {"email": None},
        {"role": "admin"},
        {"disabled": True},
        {"mfa_required": True},
        {"email": None, "role": "admin", "disabled": True, "mfa_required": True},
    ],
    ids=str,
)
async def test_what_is_sent_changes_and_nothing_else(
    client: httpx.AsyncClient, admin: dict[str, str], changes: dict[str, Any]
) -> None:
    before = (await create(client, admin, email="bot@example.org")).json()
    answer = await alter(client, admin, before["id"], **changes)
    assert (answer.status_code, answer.json()) == (200, before | changes)
    found = await client.get(f"{USERS}/{before['id']}", headers=admin)
    assert found.json() == before | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"role": None},
        {"disabled": None},
        {"mfa_required": None},
        {"disabled": "yes"},
        {"mfa_required": 1},
        {"role": "emperor"},
        {"username": "another"},
        {"has_second_factor": True},
        {"email": "no address"},
    ],
    ids=str,
)
async def test_what_is_no_change_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], changes: dict[str, Any]
) -> None:
    before = (await create(client, admin)).json()
    answer = await alter(client, admin, before["id"], **changes)
    assert answer.status_code == 422
    assert (await client.get(f"{USERS}/{before['id']}", headers=admin)).json() == before


async def test_an_address_of_another_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await create(client, admin, username="other", email="taken@example.org")
    created = (await create(client, admin)).json()
    answer = await alter(client, admin, created["id"], email="TAKEN@example.org")
    assert refusal(answer) == (409, "email_taken")


async def test_a_user_who_is_not_there_is_not_changed(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    answer = await alter(client, admin, "00000000-0000-0000-0000-00000000ffff", disabled=True)
    assert refusal(answer) == (404, "unknown_user")


async def test_disabling_a_user_ends_their_sessions_for_good(
    client: httpx.AsyncClient, admin: dict[str, str], user: dict[str, str]
) -> None:
    me = (await client.get(ME, headers=user)).json()["id"]
    await alter(client, admin, me, disabled=True)
    await alter(client, admin, me, disabled=False)
    assert refusal(await client.get(ME, headers=user)) == (401, "invalid_token")


@pytest.mark.parametrize("changes", [{"role": "user"}, {"disabled": True}], ids=str)
async def test_the_last_administrator_is_neither_demoted_nor_disabled(
    client: httpx.AsyncClient, admin: dict[str, str], changes: dict[str, Any]
) -> None:
    other = (await create(client, admin, role="admin")).json()
    assert (await alter(client, admin, other["id"], disabled=True)).status_code == 200
    me = (await client.get(ME, headers=admin)).json()["id"]
    assert refusal(await alter(client, admin, me, **changes)) == (409, "last_admin")
    assert (await client.get(USERS, headers=admin)).status_code == 200


async def test_a_demoted_administrator_administers_no_more(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await create(client, admin, role="admin")
    me = (await client.get(ME, headers=admin)).json()["id"]
    assert (await alter(client, admin, me, role="user")).status_code == 200
    assert refusal(await client.get(USERS, headers=admin)) == (403, "insufficient_scope")
