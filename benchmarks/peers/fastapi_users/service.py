"""The same market's range units behind fastapi-users, as its documentation sets it up.

Bearer tokens by JWT, passwords by bcrypt with cost 12, users and bands by the ORM on Postgres.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, ForeignKey, Numeric, Text, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

SECRET = os.urandom(32).hex()
PASSWORD = os.environ["USERS_PASSWORD"]
USERS = int(os.environ["USERS"])

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)
helper = PasswordHelper(PasswordHash((BcryptHasher(rounds=12),)))


class Base(DeclarativeBase):
    """Everything that is mapped."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """A user, as fastapi-users has them."""


class Revision(Base):
    """A revision of a market's range units."""

    __tablename__ = "revisions"

    revision_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    exchange: Mapped[str] = mapped_column(Text, index=True)
    quote_currency: Mapped[str] = mapped_column(Text)
    target_currency: Mapped[str] = mapped_column(Text)
    effective_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    source: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
    payload_digest: Mapped[str | None] = mapped_column(Text)
    boundary: Mapped[str] = mapped_column(Text)
    anchor: Mapped[str] = mapped_column(Text)
    top: Mapped[Decimal | None] = mapped_column(Numeric)
    top_rule: Mapped[str] = mapped_column(Text)
    min_price: Mapped[Decimal | None] = mapped_column(Numeric)
    max_price: Mapped[Decimal | None] = mapped_column(Numeric)
    range_units: Mapped[list["Band"]] = relationship(order_by="Band.position")


class Band(Base):
    """A band of a revision."""

    __tablename__ = "bands"

    revision_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("revisions.revision_id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    range_min: Mapped[Decimal] = mapped_column(Numeric)
    next_range_min: Mapped[Decimal | None] = mapped_column(Numeric)
    price_unit: Mapped[Decimal] = mapped_column(Numeric)


class BandAnswer(BaseModel):
    """A band, with the fields that our answer has."""

    model_config = ConfigDict(from_attributes=True)

    range_min: Decimal
    next_range_min: Decimal | None
    price_unit: Decimal


class RangeUnitsAnswer(BaseModel):
    """Range units, with the fields that our answer has."""

    model_config = ConfigDict(from_attributes=True)

    exchange: str
    quote_currency: str
    target_currency: str
    revision_id: uuid.UUID
    effective_from: datetime | None
    recorded_at: datetime
    last_seen: datetime | None
    source: str
    digest: str
    payload_digest: str | None
    boundary: str
    anchor: str
    top: Decimal | None
    top_rule: str
    min_price: Decimal | None
    max_price: Decimal | None
    range_units: list[BandAnswer]
    lint: list[str] = []


TOLD = json.loads(Path(os.environ["ANSWERS"]).read_text())["range_units"]
ANSWER = RangeUnitsAnswer.model_validate(TOLD)


class Manager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """What finds users, and checks their passwords."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_session() -> AsyncIterator[AsyncSession]:
    """Give a session for a request."""
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_user_db(session: Session) -> AsyncIterator[SQLAlchemyUserDatabase[User, uuid.UUID]]:
    """Give the users."""
    yield SQLAlchemyUserDatabase(session, User)


async def get_manager(
    users: Annotated[SQLAlchemyUserDatabase[User, uuid.UUID], Depends(get_user_db)],
) -> AsyncIterator[Manager]:
    """Give the manager."""
    yield Manager(users, helper)


def get_strategy() -> JWTStrategy[User, uuid.UUID]:
    """Give how tokens are written."""
    return JWTStrategy(secret=SECRET, lifetime_seconds=3600)


backend = AuthenticationBackend(
    name="jwt", transport=BearerTransport(tokenUrl="auth/login"), get_strategy=get_strategy
)
fastapi_users = FastAPIUsers[User, uuid.UUID](get_manager, [backend])
current_user = fastapi_users.current_user(active=True)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make what is there to be read, where it is not there yet."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        if (await session.scalars(select(User))).first() is None:
            session.add_all(
                User(email=f"bot-{number}@example.com", hashed_password=helper.hash(PASSWORD))
                for number in range(USERS)
            )
            answer = ANSWER.model_dump(exclude={"lint"})
            bands = [
                Band(position=position, **band)
                for position, band in enumerate(answer.pop("range_units"))
            ]
            session.add(Revision(**answer, range_units=bands))
            await session.commit()
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth")


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that it runs."""
    return {"status": "ok"}


@app.get("/exchanges/{exchange}/markets/{quote}/{target}/range-units")
async def range_units(
    exchange: str,
    quote: str,
    target: str,
    session: Session,
    user: Annotated[User, Depends(current_user)],
) -> RangeUnitsAnswer:
    """Read the range units that were recorded last."""
    del user
    query = (
        select(Revision)
        .where(
            Revision.exchange == exchange,
            Revision.quote_currency == quote,
            Revision.target_currency == target,
        )
        .order_by(Revision.recorded_at.desc())
        .limit(1)
        .options(selectinload(Revision.range_units))
    )
    found = (await session.scalars(query)).first()
    if found is None:
        raise HTTPException(404)
    return RangeUnitsAnswer.model_validate(found)
