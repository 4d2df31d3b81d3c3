from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.password_reset_service import PasswordResetService
from app.services.identity.user_import_service import UserImportService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """What the commands about users and logins work with; `resets` needs the keys.

    `pause` is what `login-log tail -f` does between two looks.
    """

    users: UserService
    login_log: UserLoginLogService
    imports: UserImportService
    resets: Callable[[], PasswordResetService]
    upkeep: LoginLogUpkeepService
    pause: Callable[[], Awaitable[object]]
