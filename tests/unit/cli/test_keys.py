from tests.unit.cli.program import Program


def test_keys_are_listed_with_the_one_that_signs(program: Program) -> None:
    program.keys = ["0002", "0001"]
    assert [row[:2] for row in program.run("keys", "list").rows] == [
        ["kid", "signs"],
        ["0002", "yes"],
        ["0001", "no"],
    ]


def test_keys_are_listed_for_programs(program: Program) -> None:
    assert program.run("keys", "list", "--json").document == {
        "items": [{"kid": "0001", "made_at": "2026-01-05T09:30:15.123456Z", "signs": True}]
    }


def test_a_rotation_tells_the_new_key(program: Program) -> None:
    ended = program.run("keys", "rotate")
    assert (ended.stdout, program.keys) == (
        "Key 0002 is made, and signs from now on.\n",
        ["0002", "0001"],
    )


def test_a_rotation_tells_a_program_the_new_key(program: Program) -> None:
    assert program.run("keys", "rotate", "--json").document == {"kid": "0002"}


def test_a_key_is_removed(program: Program) -> None:
    program.keys = ["0002", "0001"]
    ended = program.run("keys", "remove", "0001")
    assert (ended.stdout, program.keys) == (
        "Key 0001 is removed; what it signed is refused.\n",
        ["0002"],
    )


def test_a_removal_tells_a_program_which_key_it_was(program: Program) -> None:
    assert program.run("keys", "remove", "0001", "--json").document == {"kid": "0001"}
