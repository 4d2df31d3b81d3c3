from anyio import CancelScope

from app.domain.identity.errors import HasherBusy, TooManyWaiting, UnknownUser, WrongPassword
from app.domain.identity.throttle import Guessing
from app.domain.identity.users import User
from app.domain.principal import Principal
from app.ports.identity.security import PasswordHasher
from app.ports.identity.work import IdentityWork
from app.ports.ids import Ids
from app.services.identity.throttling import Claim, Throttling


class OwnPassword:
    """Asks those who act for their password again, before what a stolen session must not do."""

    def __init__(
        self, *, uow: IdentityWork, hasher: PasswordHasher, throttling: Throttling, ids: Ids
    ) -> None:
        self._uow = uow
        self._hasher = hasher
        self._throttling = throttling
        self._ids = ids

    async def check(self, *, principal: Principal, password: str) -> User:
        """Give the user who acts, as they were when their password was checked.

        As at a login, a guess has its slot before it is looked at. Raises `WrongPassword`,
        `TooManyAttempts`, `HasherBusy` and `TooManyWaiting`.
        """
        async with self._throttling.entrance, self._uow() as uow:
            user = await uow.users.get(user_id=principal.user_id)
            if user is None:
                raise UnknownUser(f"There is no user {principal.user_id}.")
            claim = Claim(
                guess_id=self._ids.new_id(),
                guessing=Guessing.OWN_PASSWORD,
                user_id=user.id,
                username_key=user.username_key,
                network=None,
            )
            [guess] = await self._throttling.claim(uow, [claim])
            guess.check()
            await uow.commit()
        failed = True
        try:
            await self._throttling.turn(guess)
            guess.check()
            failed = not await self._hasher.verify(password=password, stored=user.password_hash)
        except (HasherBusy, TooManyWaiting):
            failed = False
            raise
        finally:
            with CancelScope(shield=True):
                await self._throttling.end(guess, failed=failed)
        if failed:
            raise WrongPassword
        return user
