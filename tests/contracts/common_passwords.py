from typing import ClassVar

import pytest

from app.ports.identity.security import CommonPasswords


class CommonPasswordsContract:
    port: ClassVar[type] = CommonPasswords
    adapter: ClassVar[type]

    def test_what_is_tested_is_the_adapter_that_is_named(self, common: CommonPasswords) -> None:
        assert type(common) is self.adapter

    @pytest.mark.parametrize("password", ["password", "qwertyuiop", "1234567890", "letmein"])
    def test_what_everyone_guesses_is_common(self, common: CommonPasswords, password: str) -> None:
        assert common.contains(password=password)

    @pytest.mark.parametrize(
        "password",
        ["PassWord", "\uff30\uff21\uff33\uff33\uff37\uff2f\uff32\uff24", "QWERTYUIOP"],
        ids=["case", "width", "capitals"],
    )
    def test_neither_case_nor_width_makes_a_difference(
        self, common: CommonPasswords, password: str
    ) -> None:
        assert common.contains(password=password)

    @pytest.mark.parametrize(
        "password",
        [
            "",
            "\n",
            "\0",
            "\ud800",
            "password ",
            "password\nqwertyuiop",
            "correct horse battery staple",
            "a" * 1_000_000,
        ],
        ids=["empty", "a-line", "nul", "surrogate", "blank", "two-lines", "phrase", "long"],
    )
    def test_other_texts_are_not_common(self, common: CommonPasswords, password: str) -> None:
        assert not common.contains(password=password)
