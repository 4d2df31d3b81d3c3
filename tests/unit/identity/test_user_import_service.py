import pytest

from app.domain.errors import Fault
from app.domain.identity.errors import EmailTaken, ImportRefused, InvalidUser, UsernameTaken
from app.domain.identity.user_imports import HASH_FAULT, ImportedUser, UnreadableLine
from app.domain.identity.users import User
from app.domain.principal import Role
from tests.application import PASSWORD, MemoryApplication
from tests.use_cases import log_in


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


def imported(  # noqa: PLR0913 - the fields of a line
    application: MemoryApplication,
    line: int = 1,
    username: str = "trader",
    *,
    email: str | None = None,
    role: Role = Role.USER,
    password_hash: str | None = None,
) -> ImportedUser:
    stored = application.hasher.foreign(PASSWORD) if password_hash is None else password_hash
    return ImportedUser(line, username, stored, email, role)


def users(application: MemoryApplication) -> list[User]:
    return list(application.identity_store.committed.users.values())


async def refused(
    application: MemoryApplication, *lines: ImportedUser | UnreadableLine
) -> list[str]:
    with pytest.raises(ImportRefused) as caught:
        await application.imports.import_users(lines=lines)
    return [str(fault) for fault in caught.value.faults]


async def test_an_imported_user_is_as_described(application: MemoryApplication) -> None:
    asked = imported(application, email="T@x.org", role=Role.ADMIN)
    user = await application.imports.import_user(user=asked)
    now = application.clock.now()
    assert users(application) == [user]
    assert (user.username, user.email, user.role) == ("trader", "T@x.org", Role.ADMIN)
    assert (user.password_hash, user.disabled) == (asked.password_hash, False)
    assert (user.created_at, user.password_changed_at, user.password_expires_at) == (now, now, None)


async def test_an_imported_user_logs_in_and_the_hash_is_made_anew(
    application: MemoryApplication,
) -> None:
    await application.imports.import_user(user=imported(application))
    await log_in(application)
    [user] = users(application)
    assert not application.hasher.needs_rehash(stored=user.password_hash)
    await log_in(application)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"username": "no name"}, InvalidUser),
        ({"email": "no address"}, InvalidUser),
        ({"password_hash": "no hash"}, InvalidUser),
        ({"username": "TAKEN"}, UsernameTaken),
        ({"email": "TAKEN@x.org"}, EmailTaken),
    ],
)
async def test_who_cannot_be_registered_is_not_imported(
    application: MemoryApplication,
    fields: dict[str, str],
    error: type[InvalidUser | UsernameTaken | EmailTaken],
) -> None:
    taken = imported(application, username="taken", email="taken@x.org")
    there = await application.imports.import_user(user=taken)
    with pytest.raises(error):
        await application.imports.import_user(user=imported(application, **fields))  # type: ignore[arg-type] # by name
    assert users(application) == [there]


async def test_all_lines_of_a_file_are_imported_in_their_order(
    application: MemoryApplication,
) -> None:
    lines = [imported(application, number, f"user-{number}") for number in range(1, 6)]
    made = await application.imports.import_users(lines=lines)
    assert [user.username for user in made] == [line.username for line in lines]
    assert users(application) == made


async def test_a_file_of_nobody_imports_nobody(application: MemoryApplication) -> None:
    assert await application.imports.import_users(lines=[]) == []


async def test_every_fault_is_told_with_its_line_and_nobody_is_imported(
    application: MemoryApplication,
) -> None:
    there = await application.imports.import_user(
        user=imported(application, username="there", email="there@x.org")
    )
    told = await refused(
        application,
        imported(application, 1, "fine"),
        UnreadableLine(2, (Fault("", "is not JSON in UTF-8"),)),
        imported(application, 3, "no name"),
        imported(application, 5, "FINE"),
        imported(application, 6, "There", email="there@X.org"),
        imported(application, 7, "other", email="no address"),
        imported(application, 8, "another", password_hash="$2b$12$cut"),
    )
    assert told == [
        "line 2: is not JSON in UTF-8",
        "line 3: username: is not 3 to 64 of the letters A-Z and a-z, digits, ., _ and -",
        "line 5: username: is that of line 1",
        "line 6: username: is taken",
        "line 6: email: is taken",
        "line 7: email: is not an e-mail address of at most 254 characters",
        f"line 8: password_hash: {HASH_FAULT}",
    ]
    assert users(application) == [there]


async def test_an_unreadable_line_alone_imports_nobody(application: MemoryApplication) -> None:
    bad = UnreadableLine(2, (Fault("role", "is none of admin, user"),))
    told = await refused(application, imported(application), bad)
    assert (told, users(application)) == (["line 2: role: is none of admin, user"], [])


async def test_no_refusal_shows_a_hash(application: MemoryApplication) -> None:
    told = await refused(application, imported(application, password_hash="my-hash"))
    assert "my-hash" not in " ".join(told)
