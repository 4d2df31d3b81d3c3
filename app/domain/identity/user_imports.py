"""Users that come from elsewhere, with the hashes of passwords that nobody here knows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from app.domain.errors import Fault
from app.domain.identity.errors import InvalidUser
from app.domain.identity.text import fold
from app.domain.identity.users import check_email, check_username
from app.domain.principal import Role

HASH_FAULT = "is not a bcrypt hash ($2a$, $2b$ or $2y$) of a cost that is borne here"


@dataclass(frozen=True, slots=True)
class ImportedUser:
    """A user as a line of a file describes them."""

    line: int
    username: str
    password_hash: str
    email: str | None = None
    role: Role = Role.USER

    @property
    def keys(self) -> dict[str, str]:
        """What must be nobody else's, by the name of the field; no username is an address."""
        email = {} if self.email is None else {"email": fold(self.email)}
        return {"username": fold(self.username)} | email


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line that describes no user, and why."""

    line: int
    faults: tuple[Fault, ...]


def check_import(user: ImportedUser, *, accepts: Callable[[str], bool]) -> None:
    """Raise `InvalidUser` unless that user may be registered with that hash."""
    check_username(user.username)
    if user.email is not None:
        check_email(user.email)
    if not accepts(user.password_hash):
        faults = [Fault("password_hash", HASH_FAULT)]
        raise InvalidUser("That hash cannot be imported.", faults=faults)


def faults_of_import(
    lines: Sequence[ImportedUser | UnreadableLine],
    *,
    accepts: Callable[[str], bool],
    taken: Collection[str],
) -> Iterator[Fault]:
    """Give everything that is wrong, line by line; `taken` are keys of users who are there."""
    seen: dict[str, int] = {}
    for line in lines:
        about = f"line {line.line}"
        faults = line.faults if isinstance(line, UnreadableLine) else _faults_of(line, accepts)
        yield from (replace(fault, about=about) for fault in faults)
        for field, key in ({} if isinstance(line, UnreadableLine) else line.keys).items():
            first = seen.setdefault(key, line.line)
            if key in taken:
                yield Fault(field, "is taken", about)
            elif first != line.line:
                yield Fault(field, f"is that of line {first}", about)


def _faults_of(user: ImportedUser, accepts: Callable[[str], bool]) -> Sequence[Fault]:
    """Give what the first rule that the user breaks says."""
    try:
        check_import(user, accepts=accepts)
    except InvalidUser as error:
        return error.faults
    return ()
