"""The second factor: one's own, and removing that of somebody who lost it."""

from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.adapters.http.authentication import Caller, GuardedRoute
from app.adapters.http.errors import responses
from app.adapters.http.identity.asked import Code, Password, Services
from app.adapters.http.schemas import Sent
from app.domain.identity.errors import (
    HasherBusy,
    NoSecondFactor,
    OwnSecondFactor,
    SecondFactorEnrolled,
    TooManyAttempts,
    UnknownUser,
    WeakPassword,
    WrongCode,
    WrongPassword,
)

second_factor = APIRouter(prefix="/v1/users", tags=["second factor"], route_class=GuardedRoute)


class EnrolmentRequest(Sent):
    """One's own password, once more."""

    current_password: Password


class ConfirmationRequest(Sent):
    """A code that the device shows."""

    code: Code


class ProofRequest(Sent):
    """One's own password, once more, and a code."""

    current_password: Password
    code: Code


class SecondFactorAnswer(BaseModel):
    """How it stands with one's second factor."""

    enrolled: bool = Field(description="Whether logins ask for a code.")
    confirmed_at: datetime | None
    recovery_codes_left: int
    required: bool = Field(description="While it is and none is enrolled, all else is refused.")


class EnrolmentAnswer(BaseModel):
    """What the device needs. It counts once `confirm` was sent a code from it."""

    secret: str = Field(description="Base32, to be typed.")
    uri: str = Field(description="`otpauth://…`, to be shown as a QR code.")


class RecoveryCodesAnswer(BaseModel):
    """Codes that stand in for the device, each once. They are shown this once."""

    recovery_codes: list[str]


@second_factor.get("/me/mfa", summary="My second factor", responses=responses(401, 403, 422, 503))
async def get_second_factor(principal: Caller, services: Services) -> SecondFactorAnswer:
    """Tell whether one has a second factor, and has to have one."""
    status = await services.second_factor.status(principal=principal)
    return SecondFactorAnswer(
        enrolled=status.enrolled,
        confirmed_at=status.confirmed_at,
        recovery_codes_left=status.recovery_codes_left,
        required=status.required,
    )


@second_factor.post(
    "/me/mfa",
    summary="Enrol a second factor",
    status_code=HTTPStatus.CREATED,
    responses=responses(
        401, 403, 413, 422, 503, WrongPassword, SecondFactorEnrolled, TooManyAttempts, HasherBusy
    ),
)
async def enrol(
    principal: Caller, body: EnrolmentRequest, services: Services, response: Response
) -> EnrolmentAnswer:
    """Begin to enrol a device; what was begun before, and not confirmed, is forgotten."""
    enrolment = await services.second_factor.enrol(
        principal=principal, current_password=body.current_password.get_secret_value()
    )
    _keep_out_of_caches(response)
    return EnrolmentAnswer(secret=enrolment.secret, uri=enrolment.uri)


@second_factor.post(
    "/me/mfa/confirm",
    summary="Confirm my second factor",
    responses=responses(401, 403, 413, 422, 503, WrongCode, NoSecondFactor, SecondFactorEnrolled),
)
async def confirm(
    principal: Caller, body: ConfirmationRequest, services: Services, response: Response
) -> RecoveryCodesAnswer:
    """Turn the second factor on, with a first code of the device; one's other sessions end."""
    codes = await services.second_factor.confirm(
        principal=principal, code=body.code.get_secret_value()
    )
    _keep_out_of_caches(response)
    return RecoveryCodesAnswer(recovery_codes=list(codes))


@second_factor.post(
    "/me/mfa/recovery-codes",
    summary="Make new recovery codes",
    responses=responses(
        401,
        403,
        413,
        422,
        503,
        WrongPassword,
        WrongCode,
        NoSecondFactor,
        TooManyAttempts,
        HasherBusy,
    ),
)
async def make_recovery_codes(
    principal: Caller, body: ProofRequest, services: Services, response: Response
) -> RecoveryCodesAnswer:
    """Make ten new recovery codes; those before are good no more."""
    codes = await services.second_factor.new_recovery_codes(
        principal=principal,
        current_password=body.current_password.get_secret_value(),
        code=body.code.get_secret_value(),
    )
    _keep_out_of_caches(response)
    return RecoveryCodesAnswer(recovery_codes=list(codes))


@second_factor.post(
    "/me/mfa/remove",
    summary="Remove my second factor",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(
        401,
        403,
        413,
        422,
        503,
        WrongPassword,
        WrongCode,
        NoSecondFactor,
        WeakPassword,
        TooManyAttempts,
        HasherBusy,
    ),
)
async def remove_own(principal: Caller, body: ProofRequest, services: Services) -> None:
    """Remove one's own second factor; one's other sessions end.

    A password that is good enough only with a second factor has to be changed first.
    """
    await services.second_factor.remove(
        principal=principal,
        current_password=body.current_password.get_secret_value(),
        code=body.code.get_secret_value(),
    )


@second_factor.delete(
    "/{user_id}/mfa",
    summary="Remove a user's second factor",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=responses(401, 403, 422, 503, OwnSecondFactor, UnknownUser),
)
async def remove_of_user(principal: Caller, user_id: UUID, services: Services) -> None:
    """Remove the second factor of somebody else, who lost it; all their sessions end."""
    await services.users.remove_second_factor(user_id=user_id, by=principal)


def _keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"
