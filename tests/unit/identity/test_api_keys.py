from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identity.api_keys import (
    LONGEST_OVERLAP,
    MOST_NETWORKS,
    NAME_LENGTH,
    USE_NOTED_EVERY,
    ApiKey,
    KeyParts,
    KeyUse,
    WantedKey,
    check_overlap,
    later,
    read_api_key,
    write_api_key,
)
from app.domain.identity.errors import InvalidApiKey
from app.domain.identity.networks import parse_address
from app.domain.principal import SCOPES_OF_ROLE, Role, Scope
from tests.builders import an_api_key, at, new_id

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET = "secret-1_".ljust(43, "x")
READ = frozenset({Scope.RANGE_UNITS_READ})
TICK = timedelta(microseconds=1)

all_parts = st.builds(
    KeyParts,
    st.uuids(),
    st.text(alphabet=ALPHABET + "-_", min_size=43, max_size=43),
)


def key(key_id: UUID | None = None) -> str:
    return write_api_key(KeyParts(key_id or UUID(int=1), SECRET))


def made(wanted: WantedKey, role: Role = Role.USER) -> ApiKey:
    return wanted.made(key_id=UUID(int=1), user_id=UUID(int=2), role=role, digest="d", now=at())


def faults(wanted: WantedKey, role: Role = Role.USER) -> list[str]:
    with pytest.raises(InvalidApiKey) as raised:
        made(wanted, role)
    return [fault.field for fault in raised.value.faults]


def networks_of(*texts: str) -> list[str]:
    return [str(one) for one in made(WantedKey("n", READ, None, texts)).allowed_networks]


# -- what a key is sent as -------------------------------------------------------------------


@given(parts=all_parts)
def test_a_key_is_read_as_it_was_written(parts: KeyParts) -> None:
    assert read_api_key(write_api_key(parts)) == parts


@pytest.mark.parametrize("key_id", [UUID(int=0), UUID(int=2**128 - 1)])
def test_a_key_has_the_same_form_whatever_its_id(key_id: UUID) -> None:
    assert len(key(key_id)) == 74
    assert key(key_id).startswith("tg_")


def test_a_key_is_written_like_this_for_ever() -> None:
    """Keys are out there: what reads them must go on reading them."""
    parts = KeyParts(UUID("01890000-0000-7000-8000-00000000000a"), "A-_z" * 10 + "123")
    assert write_api_key(parts) == GOLDEN


GOLDEN = "tg_02tbIAlIQhTdVFjxS6W5msA-_zA-_zA-_zA-_zA-_zA-_zA-_zA-_zA-_zA-_z1231PWUR4"


@given(place=st.integers(0, 73), other=st.sampled_from(ALPHABET + "-_"))
def test_a_key_with_one_wrong_character_is_none(place: int, other: str) -> None:
    misspelt = key()[:place] + other + key()[place + 1 :]
    assert (read_api_key(misspelt) is None) is (misspelt != key())


@given(place=st.integers(0, 72))
def test_a_key_with_two_characters_exchanged_is_none(place: int) -> None:
    text = key(UUID(int=0x0123456789ABCDEF0123456789ABCDEF))
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert (read_api_key(swapped) is None) is (swapped != text)


def test_a_part_of_a_key_is_none() -> None:
    assert [length for length in range(74) if read_api_key(key()[:length])] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tg_",
        key() + "0",
        key() + "\n",
        " " + key(),
        key().replace("tg_", "TG_"),
        key().lower(),
        key()[:30] + "\0" + key()[31:],
        key()[:30] + "é" + key()[31:],
        key()[:30] + "\ud800" + key()[31:],
        key()[:5] + "\N{FULLWIDTH DIGIT ZERO}" + key()[6:],
        "tg_" + "x" * 10_000,
        key() * 200,
    ],
)
def test_what_is_not_of_the_form_is_no_key(text: str) -> None:
    assert read_api_key(text) is None


def test_an_id_of_more_than_128_bits_is_none_though_the_checksum_fits() -> None:
    class Wide:
        int = 62**22 - 1

    assert read_api_key(write_api_key(KeyParts(Wide(), SECRET))) is None  # type: ignore[arg-type] # none, on purpose


def test_no_secret_is_in_what_is_printed() -> None:
    shown = f"{KeyParts(new_id(), SECRET)!r} {an_api_key(digest='the digest')!r}"
    assert (SECRET in shown, "the digest" in shown) == (False, False)


# -- when and from where a key is good -------------------------------------------------------


@pytest.mark.parametrize("api_key", [an_api_key(expires_at=at(5)), an_api_key(retires_at=at(5))])
def test_a_key_is_good_until_just_before_it_ends(api_key: ApiKey) -> None:
    assert [api_key.is_live(now) for now in (at(5) - TICK, at(5))] == [True, False]


def test_a_revoked_key_is_good_at_no_time() -> None:
    api_key = an_api_key(revoked_at=at(5))
    assert [api_key.is_live(now) for now in (at(4), at(5))] == [False, False]


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("203.0.113.0", True),
        ("203.0.113.255", True),
        ("203.0.114.0", False),
        ("::ffff:203.0.113.7", True),
        ("::ffff:203.0.114.7", False),
        ("::203.0.113.7", False),
        ("2001:db8:0:ffff::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", True),
        ("", False),
        (None, False),
        ("testclient", False),
        ("203.0.113.7:443", False),
    ],
)
def test_a_key_is_good_from_its_networks_only(address: str | None, is_good: bool) -> None:
    networks = tuple(map(ip_network, ("203.0.113.0/24", "2001:db8::/32", "fe80::/64")))
    api_key = an_api_key(allowed_networks=networks)
    assert api_key.is_good(at(), parse_address(address)) is is_good


@pytest.mark.parametrize("address", [None, "203.0.113.7", "::1"])
def test_a_key_without_networks_is_good_from_anywhere(address: str | None) -> None:
    assert an_api_key().is_good(at(), parse_address(address))


def test_a_key_that_is_over_is_good_from_nowhere() -> None:
    assert not an_api_key(revoked_at=at()).is_good(at(), parse_address("203.0.113.7"))


def test_an_address_is_spelled_in_one_way() -> None:
    texts = ["::FFFF:192.0.2.1", "2001:DB8::0:1", "fe80::1%averylonginterfacename"]
    assert [str(parse_address(text)) for text in texts] == ["192.0.2.1", "2001:db8::1", "fe80::1"]


def test_a_use_is_worth_noting_once_a_minute() -> None:
    used = an_api_key(last_used_at=at())
    due = at() + USE_NOTED_EVERY
    noted = [used.use_to_note(now, None) for now in (due - TICK, due, at(-1))]
    assert noted == [None, KeyUse(used.id, due, None), None]


def test_the_first_use_is_worth_noting_with_its_address() -> None:
    api_key = an_api_key()
    use = api_key.use_to_note(at(), parse_address("::ffff:192.0.2.1"))
    assert use == KeyUse(api_key.id, at(), "192.0.2.1")


# -- what a key may be -----------------------------------------------------------------------


def test_a_key_is_made_as_it_is_wanted() -> None:
    wanted = WantedKey("grid bot", READ, at(1), ("10.0.0.0/8",))
    assert made(wanted) == ApiKey(
        id=UUID(int=1),
        user_id=UUID(int=2),
        name="grid bot",
        scopes=READ,
        digest="d",
        created_at=at(),
        expires_at=at(1),
        allowed_networks=(ip_network("10.0.0.0/8"),),
    )


@pytest.mark.parametrize("name", ["a", "x" * NAME_LENGTH, "이름 7 \U0001f642"])
def test_a_name_of_printable_characters_is_taken(name: str) -> None:
    assert made(WantedKey(name, READ)).name == name


@pytest.mark.parametrize("name", ["", "x" * (NAME_LENGTH + 1), "a\nb", "\0", "\ud800", "\u202e"])
def test_a_name_that_is_too_long_or_cannot_be_printed_is_refused(name: str) -> None:
    assert faults(WantedKey(name, READ)) == ["name"]


def test_a_key_may_do_what_its_owner_may() -> None:
    for role, scopes in SCOPES_OF_ROLE.items():
        assert made(WantedKey("n", scopes), role).scopes == scopes


def test_a_key_may_do_no_more_than_its_owner_and_each_scope_is_named() -> None:
    assert faults(WantedKey("n", frozenset(Scope))) == ["scopes"] * 3


def test_a_key_that_may_do_nothing_is_refused() -> None:
    assert faults(WantedKey("n", frozenset())) == ["scopes"]


def test_a_key_ends_so_long_from_now() -> None:
    assert made(WantedKey("n", READ, timedelta(minutes=5))).expires_at == at(5)


def test_a_key_ends_in_the_future() -> None:
    for expires in (at(), at(-1), timedelta(0), timedelta(minutes=-1)):
        assert faults(WantedKey("n", READ, expires)) == ["expires_at"]
    assert made(WantedKey("n", READ, TICK)).expires_at == at() + TICK


def test_everything_that_is_wrong_is_said_at_once() -> None:
    wanted = WantedKey("", frozenset(), at(), ("x", "10.0.0.0/8", "y"))
    fields = ["allowed_networks[0]", "allowed_networks[2]", "name", "scopes", "expires_at"]
    assert faults(wanted) == fields


@pytest.mark.parametrize(
    ("texts", "canonical"),
    [
        (["203.0.113.7"], ["203.0.113.7/32"]),
        (["2001:DB8:0::/32"], ["2001:db8::/32"]),
        (["::ffff:10.0.0.0/104"], ["10.0.0.0/8"]),
        (["::ffff:10.0.0.1"], ["10.0.0.1/32"]),
        (["::ffff:0:0/96"], ["0.0.0.0/0"]),
        (["::/0"], ["::/0"]),
        (["10.0.0.0/255.0.0.0", "10.0.0.0/8"], ["10.0.0.0/8"]),
        (["b::/16", "a::/16"], ["b::/16", "a::/16"]),
        ([f"10.0.0.{number}" for number in range(32)], [f"10.0.0.{n}/32" for n in range(32)]),
    ],
)
def test_networks_are_kept_in_one_spelling_each_once(
    texts: Sequence[str], canonical: Sequence[str]
) -> None:
    assert networks_of(*texts) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "300.0.0.0/8", "::/129", "1.2.3"),
        *("fe80::1%eth0", "fe80::%1/64", "a\0b", "\ud800", "\N{FULLWIDTH DIGIT ONE}.0.0.0/8"),
        *("10.0.0.0/8 ", "example.org", "10.0.0.0/" + "9" * 5000, "x" * 100_000),
    ],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    assert faults(WantedKey("n", READ, None, [text])) == ["allowed_networks[0]"]


def test_too_many_networks_are_refused() -> None:
    networks = ["10.0.0.1"] * (MOST_NETWORKS + 1)
    assert faults(WantedKey("n", READ, None, networks)) == ["allowed_networks"]


# -- ends ------------------------------------------------------------------------------------


def test_the_first_revocation_counts() -> None:
    api_key = an_api_key().revoked(at(1))
    assert api_key.revoked(at(2)).revoked_at == at(1)


def test_an_overlap_is_never_prolonged() -> None:
    api_key = an_api_key().retired(at(5))
    assert [api_key.retired(when).retires_at for when in (at(4), at(6))] == [at(4), at(5)]


@pytest.mark.parametrize(
    ("overlap", "is_fine"),
    [
        (timedelta(0), True),
        (LONGEST_OVERLAP, True),
        (LONGEST_OVERLAP + TICK, False),
        (-TICK, False),
    ],
)
def test_an_overlap_is_at_most_thirty_days(overlap: timedelta, is_fine: bool) -> None:
    found = []
    try:
        check_overlap(overlap)
    except InvalidApiKey as error:
        found = [fault.field for fault in error.faults]
    assert found == ([] if is_fine else ["overlap_seconds"])


def test_a_successor_is_as_long_lived_and_has_nothing_of_the_past() -> None:
    api_key = replace(
        made(WantedKey("n", READ, at(10), ("10.0.0.0/8",))),
        last_used_at=at(1),
        last_used_ip="10.0.0.1",
        retires_at=at(7),
    )
    successor = api_key.successor(key_id=UUID(int=3), digest="e", role=Role.USER, now=at(2))
    assert successor == ApiKey(
        id=UUID(int=3),
        user_id=UUID(int=2),
        name="n",
        scopes=READ,
        digest="e",
        created_at=at(2),
        expires_at=at(12),
        allowed_networks=(ip_network("10.0.0.0/8"),),
    )


def test_a_successor_of_a_key_without_end_has_none() -> None:
    successor = an_api_key().successor(key_id=new_id(), digest="e", role=Role.USER, now=at(2))
    assert successor.expires_at is None


def test_a_successor_may_do_no_more_than_its_owner_may_by_now() -> None:
    api_key = an_api_key(scopes=frozenset(Scope))
    successor = api_key.successor(key_id=new_id(), digest="e", role=Role.USER, now=at())
    assert successor.scopes == READ


def test_a_time_that_cannot_be_told_is_the_last_that_can() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert later(last, TICK) == last
