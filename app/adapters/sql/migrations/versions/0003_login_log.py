"""The login log by months, with networks, devices, and from where users log in."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.adapters.sql.types import UtcDateTime, code_text
from app.domain.identity.networks import network_of, packed, parse_address

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FAILED = sa.text("outcome IN ('failed', 'pending')")
HAS_REASON = sa.text("fail_reason IS NOT NULL")
KEPT = (
    "id, at, username, username_key, user_id, ip, user_agent, request_id, outcome, fail_reason,"
    " session_id, duration_ms"
)
INDEXED = ("user_id", "username_key", "ip")
# This month, the next two, and those of the rows that are there; what is from before the project,
# or from the future, goes into the default partition.
MONTHS = """
    SELECT DISTINCT to_char(month, 'YYYY_MM') AS name, month AS first,
        month + interval '1 month' AS next
    FROM (
        SELECT date_trunc('month', at, 'UTC') AS month FROM old_login_attempts
        WHERE at >= '2020-01-01' AND at < now()
        UNION SELECT date_trunc('month', now(), 'UTC') + ahead * interval '1 month'
        FROM generate_series(0, 2) AS ahead
    ) AS months
"""


def upgrade() -> None:
    """Make the log anew, with all of its rows."""
    _put_aside(*(f"ix_login_attempts_{column}" for column in ("at", *INDEXED)))
    op.create_table(
        "login_attempts",
        *_columns("at", "id", "username", "username_key", "user_id", "ip"),
        sa.Column("network", code_text(43)),
        sa.Column("address", sa.LargeBinary(16)),
        *_columns("user_agent"),
        sa.Column("device_type", sa.String(8), nullable=False),
        sa.Column("os", sa.String(48)),
        sa.Column("client", sa.String(64)),
        *_columns("request_id", "outcome", "fail_reason", "session_id", "duration_ms"),
        sa.Column("new_network", sa.Boolean()),
        sa.Column("new_client", sa.Boolean()),
        sa.PrimaryKeyConstraint("at", "id", name="pk_login_attempts"),
        postgresql_partition_by="RANGE (at)",
    )
    if _on_postgres():
        _make_partitions()
    op.create_table(
        "login_origins",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("origin", code_text(128), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("before_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("user_id", "kind", "origin", name="pk_login_origins"),
    )
    _move_up()
    for column in ("user_id", "username_key", "network", "outcome"):
        op.create_index(f"ix_login_attempts_{column}", "login_attempts", [column, "at", "id"])
    _partial_index("failed", ["at", "id"], FAILED)
    _partial_index("fail_reason", ["fail_reason", "at", "id"], HAS_REASON)
    if _on_postgres():
        op.create_index("ix_login_attempts_brin", "login_attempts", ["at"], postgresql_using="brin")
    op.create_index("ix_login_origins_last_at", "login_origins", ["last_at"])


def downgrade() -> None:
    """Make the log as it was; networks, devices and origins are lost."""
    indexes = ["user_id", "username_key", "network", "outcome", "failed", "fail_reason"]
    if _on_postgres():
        indexes.append("brin")
    _put_aside(*(f"ix_login_attempts_{name}" for name in indexes))
    op.create_table(
        "login_attempts",
        *_columns("id", "at", "username", "username_key", "user_id", "ip", "user_agent"),
        *_columns("request_id", "outcome", "fail_reason", "session_id", "duration_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_login_attempts"),
    )
    op.execute(
        f"INSERT INTO login_attempts ({KEPT}) SELECT {KEPT} FROM old_login_attempts"  # noqa: S608 - of constants
    )
    op.drop_table("old_login_attempts")
    op.create_index("ix_login_attempts_at", "login_attempts", ["at", "id"])
    for column in INDEXED:
        op.create_index(f"ix_login_attempts_{column}", "login_attempts", [column, "at", "id"])
    op.drop_table("login_origins")


def _on_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _columns(*names: str) -> Sequence[sa.Column[Any]]:
    """Give columns that were there before."""
    columns: dict[str, sa.Column[Any]] = {
        "id": sa.Column("id", sa.Uuid(), nullable=False),
        "at": sa.Column("at", UtcDateTime(), nullable=False),
        "username": sa.Column("username", sa.String(64), nullable=False),
        "username_key": sa.Column("username_key", code_text(64), nullable=False),
        "user_id": sa.Column("user_id", sa.Uuid()),
        "ip": sa.Column("ip", code_text(45)),
        "user_agent": sa.Column("user_agent", sa.String(512)),
        "request_id": sa.Column("request_id", sa.String(64)),
        "outcome": sa.Column("outcome", sa.String(16), nullable=False),
        "fail_reason": sa.Column("fail_reason", sa.String(32)),
        "session_id": sa.Column("session_id", sa.Uuid()),
        "duration_ms": sa.Column("duration_ms", sa.BigInteger()),
    }
    return [columns[name] for name in names]


def _put_aside(*indexes: str) -> None:
    """Rename the log that is there, and take the names of its indexes off it."""
    if _on_postgres():
        # The connection's own bound is for requests; millions of rows take longer.
        op.execute("SET LOCAL statement_timeout = 0")
    for index in indexes:
        op.drop_index(index, "login_attempts")
    op.rename_table("login_attempts", "old_login_attempts")
    if _on_postgres():
        op.execute("ALTER INDEX pk_login_attempts RENAME TO pk_old_login_attempts")


def _make_partitions() -> None:
    op.execute("CREATE TABLE login_attempts_default PARTITION OF login_attempts DEFAULT")
    for month in op.get_bind().execute(sa.text(MONTHS)).all():
        op.execute(
            f"CREATE TABLE login_attempts_{month.name} PARTITION OF login_attempts"
            f" FOR VALUES FROM ('{month.first.isoformat()}') TO ('{month.next.isoformat()}')"
        )


def _move_up() -> None:
    """Move the rows, with the networks of their addresses, which the database cannot tell."""
    bind = op.get_bind()
    networks = op.create_table(
        "login_networks",
        sa.Column("ip", code_text(45), primary_key=True),
        sa.Column("network", code_text(43)),
        sa.Column("address", sa.LargeBinary(16)),
    )
    ips = bind.execute(sa.text("SELECT DISTINCT ip FROM old_login_attempts")).scalars().all()
    addresses = {ip: parse_address(ip) for ip in ips}
    values = [
        {"ip": ip, "network": network_of(address), "address": packed(address)}
        for ip, address in addresses.items()
        if address is not None
    ]
    if values:
        bind.execute(sa.insert(networks), values)
    op.execute(f"""
        INSERT INTO login_attempts ({KEPT}, network, address, device_type)
        SELECT {", ".join(f"o.{name.strip()}" for name in KEPT.split(","))},
            n.network, n.address, 'UNKNOWN'
        FROM old_login_attempts AS o LEFT JOIN login_networks AS n ON n.ip = o.ip
    """)  # noqa: S608 - of constants
    # Or the next login of everyone would be the first from where they are.
    op.execute("""
        INSERT INTO login_origins (user_id, kind, origin, last_at)
        SELECT user_id, 'network', network, max(at) FROM login_attempts
        WHERE outcome = 'success' AND user_id IS NOT NULL AND network IS NOT NULL
        GROUP BY user_id, network
    """)
    op.drop_table("login_networks")
    op.drop_table("old_login_attempts")


def _partial_index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(
        f"ix_login_attempts_{name}",
        "login_attempts",
        columns,
        sqlite_where=where,
        postgresql_where=where,
    )
