"""What every adapter of a port must do: one class per Protocol of `app/ports`.

A contract is read off the port's docstrings and knows no adapter. An adapter runs it by a
subclass that names it (`adapter: ClassVar[type] = …`) and gives the fixtures its tests take.
"""

import pytest

# These modules are no test modules by name, and their assertions should explain themselves too.
pytest.register_assert_rewrite(
    "tests.contracts.api_keys",
    "tests.contracts.identity_security",
    "tests.contracts.identity_store",
    "tests.contracts.login_findings",
    "tests.contracts.login_log_upkeep",
    "tests.contracts.login_origins",
    "tests.contracts.payload_format",
    "tests.contracts.races",
    "tests.contracts.range_units_store",
    "tests.contracts.second_factor",
    "tests.contracts.system",
    "tests.contracts.user_agents",
)
