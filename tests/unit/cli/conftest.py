import pytest

from tests.unit.cli.program import Program


@pytest.fixture
def program() -> Program:
    return Program()
