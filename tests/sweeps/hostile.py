"""What nobody who is honest sends, for every place of an operation that takes anything.

The places are read off the OpenAPI document, so that a new operation is under fire from its first
day on; so is what may be answered. The unit tests send all of it to the memory adapters, and
`make fuzz` sends the same to the service on its databases.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import httpx

from tests.application import PASSWORD
from tests.unit.http.api import Chunks, Operation

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
MEMBERS: Final = {"type", "title", "status", "detail", "instance", "code", "request_id"}
ROUTING: Final = {404: {PROBLEM}, 405: {PROBLEM}}  # what a URL of no operation is answered
ROUTING_CODES: Final = {(404, "not_found"), (405, "method_not_allowed")}

# JSON text, as some of it is nothing that a JSON writer would write.
TEXTS: Final = {
    "NUL": r'"a\u0000b"',
    "lone surrogate": r'"\ud800"',
    "a megabyte": '"' + "x" * 1_000_000 + '"',
    "CR and LF": r'"a\r\nSet-Cookie: b"',
    "terminal escape": r'"\u001b[2J\u001b]0;x\u0007"',
    "right to left": r'"\u202eabc"',
    "emoji": '"👩‍👩‍👧‍👦🏴‍☠️"',
    "a ligature of eighteen letters": '"' + "ﷺ" * 64 + '"',
    "SQL": '"\'; DROP TABLE users; --"',
    "path": '"../../../etc/passwd"',
    "empty": '""',
    "null": "null",
    "true": "true",
    "negative": "-1",
    "fraction": "0.1",
    "integer of 65 bits": "18446744073709551616",
    "integer of 5000 digits": "9" * 5000,
    "beyond a float": "1e400",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "list": '["x", null, 1]',
    "object": '{"$ref": "#", "__proto__": {"a": 1}, "\\ud800": 1}',
    "deep list": "[" * 500 + "]" * 500,
}
# As they stand in a URL.
WORDS: Final = [
    *("%00", "%ED%A0%80", "%FF", "%0D%0ASet-Cookie:%20b", "%1B[2J", "%F0%9F%91%A9", "", "%20"),
    *("..%2F..%2Fetc%2Fpasswd", "%25s", "'%20OR%201=1--", "-1", "1e999999", "9" * 5000, "[]"),
    *("x" * 20_000, "*", "00000000-0000-0000-0000-000000000000"),
]
WORDS_OF_A_QUERY: Final = [
    *WORDS,
    *("0001-01-01T00:00:00-23:59", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999999Z"),
    *("::1", "::ffff:192.0.2.1", "fe80::1%251", "null", "true"),
]
# As far as HTTP allows them: what it does not, such as NUL, no client and no server lets through.
VALUES_OF_A_HEADER: Final = [b"", b"\xff", b"\xc3\xa9", b"a\tb", b"x" * 10_000, b"-1", b"*, *;q=2"]
TOKENS: Final = [
    *(b"Bearer", b"Bearer \xff", b"Bearer a.b.c", b"Bearer " + b"x" * 10_000, b"Basic YTpi"),
    *(b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", b"bearer null", b"Bearer a, Bearer b"),
]
HEADERS: Final = ["X-Request-ID", "User-Agent"]
"""What is read of every request; the headers of the document come on top, and the token."""


def raw_bodies(body: object) -> dict[str, tuple[bytes, str]]:
    """Give bodies that are off as a whole, each with its media type, for an honest one."""
    text = json.dumps(body)
    doubled = text[:-1] + ", " + text[1:] if isinstance(body, dict) and body else text
    return {
        "nothing": (b"", JSON),
        "half of it": (text[: len(text) // 2].encode(), JSON),
        "two of it": (f"{text} {text}".encode(), JSON),
        "each key twice": (doubled.encode(), JSON),
        "in a list": (f"[{text}]".encode(), JSON),
        "in a string": (json.dumps(text).encode(), JSON),
        "with a byte order mark": (b"\xef\xbb\xbf" + text.encode(), JSON),
        "in UTF-16": (text.encode("utf-16"), f"{JSON}; charset=utf-16"),
        "bytes that are no UTF-8": (b'{"\xff": "\xfe"}', JSON),
        "a surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', JSON),
        "a bare NUL": (b'{"a": "\x00"}\x00', JSON),
        "lists without end": (b"[" * 60_000, JSON),
        "objects without end": (b'{"a":' * 12_000, JSON),
        "a number without end": (b"1" * 60_000, JSON),
        "an exponent without end": (b"1e" + b"9" * 60_000, JSON),
        "as text": (text.encode(), "text/plain"),
        "as a form": (b"username=admin&password=x", "application/x-www-form-urlencoded"),
        "as parts without a boundary": (b"--x\r\n\r\n\r\n--x--", "multipart/form-data"),
        "of no media type": (text.encode(), ""),
        "of a media type that is none": (text.encode(), "json;;=;charset=\xff"),
        "two megabytes of blanks": (b" " * 2_000_000, JSON),
    }


USERNAME: Final = "user"
"""Who is to be registered, with the password of tests, so that an honest login succeeds."""

BODIES: Final[dict[str, list[dict[str, Any]]]] = {
    "LoginRequest": [{"username": USERNAME, "password": PASSWORD}],
    "RefreshRequest": [{"refresh_token": "secret"}],
    "MfaRequest": [{"challenge": "secret", "code": "123 456"}],
    "EnrolmentRequest": [{"current_password": PASSWORD}],
    "ConfirmationRequest": [{"code": "123 456"}],
    "ProofRequest": [{"current_password": PASSWORD, "code": "123 456"}],
    "PasswordChange": [{"current_password": PASSWORD, "new_password": PASSWORD[::-1]}],
    "ResetRequest": [{"username": USERNAME, "code": "ABCDE-FGHJK", "new_password": PASSWORD[::-1]}],
    "NewUser": [
        {"username": "bob", "email": "b@example.org", "password": PASSWORD, "role": "user"}
    ],
    "NewApiKey": [
        {
            "name": "grid bot",
            "scopes": ["range-units:read"],
            "expires_at": "2099-01-01T00:00:00Z",
            "allowed_networks": ["203.0.113.0/24"],
        }
    ],
    "UserChange": [
        {"email": "b@example.org", "role": "user", "disabled": True, "mfa_required": True}
    ],
    "ExchangeToPut": [{"name": "Coinone", "time_zone": "Asia/Seoul"}],
    "RangeUnitsToPut": [
        {
            "range_units": [{"range_min": "0", "next_range_min": "5", "price_unit": "1"}],
            "boundary": "lower_inclusive",
            "anchor": "zero",
            "top": "5",
            "top_rule": "exclusive",
            "min_price": "1",
            "max_price": "4",
            "effective_from": "2026-02-01T00:00:00Z",
            "source": "a notice",
        }
    ],
    "PricesToCheck": [
        {
            "prices": ["1"],
            "as_of": "2026-01-01T00:00:00Z",
            "known_at": "2099-01-01T00:00:00Z",
            "observed": True,
        }
    ],
    "PricesToRound": [
        {
            "prices": ["1"],
            "direction": "nearest",
            "ties": "even",
            "explain": True,
            "known_at": "2099-01-01T00:00:00Z",
        },
        {"prices": ["1"], "side": "buy", "intent": "passive", "as_of": "2026-01-01T00:00:00Z"},
    ],
    "Step": [
        {
            "price": "1",
            "ticks": 1,
            "as_of": "2026-01-01T00:00:00Z",
            "known_at": "2099-01-01T00:00:00Z",
        }
    ],
    # Coinone's, to be ingested: it has no schema, as it is whatever an exchange replies.
    "": [
        {
            "result": "success",
            "error_code": "0",
            "range_price_units": [{"range_min": 0, "next_range_min": 5, "price_unit": 1}],
        }
    ],
}
"""Honest bodies by the name of their schema: together they have every field."""

QUERY: Final = {"from": "1", "to": "2", "price": "1", "quote": "KRW", "target": "BTC"}


def with_hole(value: object, field: str = "") -> Iterator[tuple[str, object]]:
    """Give copies of a body, each with a hole in place of something in it, and where that is."""
    yield field, "@hole"
    if isinstance(value, dict):
        for name, inner in value.items():
            holes = with_hole(inner, f"{field}.{name}".lstrip("."))
            yield from ((at, value | {name: holed}) for at, holed in holes)
    if isinstance(value, list):
        for place, inner in enumerate(value):
            holes = with_hole(inner, f"{field}[]")
            yield from ((at, [*value[:place], holed, *value[place + 1 :]]) for at, holed in holes)


class Attack(NamedTuple):
    """A request of nobody who is honest. Its headers may be the caller's token, among others."""

    operation: Operation
    what: str
    url: str
    content: bytes | None = None
    headers: Mapping[str, bytes] = {}

    def request(self, base_url: httpx.URL, bearer: Mapping[str, str]) -> httpx.Request:
        """Make the request, which httpx must not complete or correct."""
        url = base_url.join(self.url)
        fields = {"Host": url.netloc, "Accept": b"*/*"}
        fields |= {name: text.encode() for name, text in bearer.items()}
        if self.content is not None:
            fields |= {"Content-Type": JSON.encode(), "Content-Length": b"%d" % len(self.content)}
        # HTTP knows no upper and lower case in the names of headers, but a mapping does.
        fields = {name.lower(): text for name, text in (fields | dict(self.headers)).items()}
        raw = [(name.encode(), text) for name, text in fields.items()]
        body = Chunks(*([self.content] if self.content else []))
        return httpx.Request(self.operation.method, url, headers=raw, stream=body)


class ApiDocument:
    """The OpenAPI document, as far as it says what can be sent, and what can be answered."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.operations = [
            Operation(method.upper(), path)
            for path, methods in document["paths"].items()
            for method in methods
        ]
        # A path with fewer parameters is served first.
        ranked = sorted(self.operations, key=lambda one: one.path.count("{"))
        self._patterns = [(one, _pattern(one.path)) for one in ranked]
        self._codes_of = {one: self._read_codes(one) for one in self.operations}

    def attacks(self, operation: Operation) -> Iterator[Attack]:
        """Give everything hostile that there is for an operation."""
        bodies = self.bodies_of(operation)
        honest = json.dumps(bodies[0]).encode() if bodies else None
        names = self._parameters(operation, "query")
        query = "&".join(f"{name}={QUERY[name]}" for name in names if name in QUERY)
        url = operation.url() + f"?{query}".rstrip("?")
        holes = [hole for body in bodies for hole in with_hole(body)]
        for (field, holed), (name, text) in product(holes, TEXTS.items()):
            content = json.dumps(holed).replace('"@hole"', text).encode()
            yield Attack(operation, f"body {field}: {name}", url, content)
        for name, (content, media) in raw_bodies(bodies[0]).items() if bodies else ():
            headers = {"Content-Type": media.encode("latin-1")}
            yield Attack(operation, f"body: {name}", url, content, headers)
        for name in [*names, "no_such_parameter"]:
            others = "&".join(f"{other}={QUERY[other]}" for other in names if other in QUERY)
            kept = re.sub(rf"(^|&){name}=[^&]*", "", others)
            for word in [*WORDS_OF_A_QUERY, f"1&{name}=2"]:
                hostile = f"{operation.url()}?{kept}&{name}={word}"
                yield Attack(operation, f"query {name}: {word[:50]}", hostile, honest)
        for name in self._parameters(operation, "path"):
            for word in WORDS:
                hostile = operation.url(**{name: word}) + f"?{query}".rstrip("?")
                yield Attack(operation, f"path {name}: {word[:50]}", hostile, honest)
        for name in [*HEADERS, *self._parameters(operation, "header")]:
            for value in VALUES_OF_A_HEADER:
                what = f"header {name}: {value[:50]!r}"
                yield Attack(operation, what, url, honest, {name: value})
        for token in TOKENS:
            what = f"header Authorization: {token[:50]!r}"
            yield Attack(operation, what, url, honest, {"Authorization": token})

    def fault_of(self, attack: Attack, answer: httpx.Response) -> str | None:
        """Say why an answer is none that the document allows, if so."""
        status = answer.status_code
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return f"{status} is a defect"  # pragma: no cover - a failure
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        path = unquote(attack.url.partition("?")[0])
        allowed = self._answers(attack.operation.method, path)
        if status not in allowed:
            return f"{status} is not documented"  # pragma: no cover - a failure
        if media not in (allowed[status] or {""}):
            return (
                f"{status} as {media or 'nothing'} is undocumented"  # pragma: no cover - a failure
            )
        if status < httpx.codes.BAD_REQUEST:
            return None
        return fault_of_a_problem(answer) or self._fault_of_its_code(attack, answer, path)

    def _fault_of_its_code(self, attack: Attack, answer: httpx.Response, path: str) -> str | None:
        code = json.loads(answer.content)["code"]
        if (answer.status_code, code) in self.codes_of(attack.operation.method, path):
            return None
        return f"{answer.status_code} {code} is undocumented"  # pragma: no cover - a failure

    def methods(self, path: str) -> set[str]:
        """Give the methods of every operation that a path is one of; some paths overlap."""
        fitting = [one for one in self.operations if _pattern(one.path).fullmatch(unquote(path))]
        return {operation.method for operation in fitting}

    def bodies_of(self, operation: Operation) -> list[dict[str, Any]]:
        """Give honest bodies; none for what takes none."""
        content = self._parts(operation).get("requestBody", {}).get("content", {})
        if not content:
            return []
        reference: str = content[JSON]["schema"].get("$ref", "")
        return BODIES[reference.rpartition("/")[2]]

    def fields_of_body(self, operation: Operation) -> set[str]:
        """Give where in a body there is something, at every depth; empty for the body itself."""
        content = self._parts(operation)["requestBody"]["content"]
        return set(self._fields(content[JSON]["schema"], ""))

    def _fields(self, schema: Mapping[str, Any], field: str) -> Iterator[str]:
        yield field
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            yield from self._fields(self._document["components"]["schemas"][name], field)
        for part in ("anyOf", "allOf", "oneOf"):
            for one in schema.get(part, []):
                yield from self._fields(one, field)
        for name, one in schema.get("properties", {}).items():
            yield from self._fields(one, f"{field}.{name}".lstrip("."))
        if "items" in schema:
            yield from self._fields(schema["items"], f"{field}[]")

    def _read_codes(self, operation: Operation) -> set[tuple[int, str]]:
        return {
            (int(status), code)
            for status, response in self._parts(operation)["responses"].items()
            for code in response.get("content", {}).get(PROBLEM, {}).get("examples", {})
        }

    def _parts(self, operation: Operation) -> dict[str, Any]:
        parts: dict[str, Any] = self._document["paths"][operation.path][operation.method.lower()]
        return parts

    def _parameters(self, operation: Operation, where: str) -> list[str]:
        parameters = self._parts(operation).get("parameters", [])
        return [one["name"] for one in parameters if one["in"] == where]

    def _answers(self, method: str, path: str) -> dict[int, set[str]]:
        """Give the media types of every status that a request may be answered with.

        A hostile path may be that of another operation, or of none.
        """
        operation = self.operation_of(method, path)
        if operation is None:
            return ROUTING
        responses = self._parts(operation)["responses"]
        return {int(one): set(responses[one].get("content", {})) for one in responses}

    def codes_of(self, method: str, path: str) -> set[tuple[int, str]]:
        """Give each status and code that a request of a path may be refused with."""
        operation = self.operation_of(method, path)
        return ROUTING_CODES if operation is None else self._codes_of[operation]

    def operation_of(self, method: str, path: str) -> Operation | None:
        """Give the operation that a request is of, if there is one."""
        for operation, pattern in self._patterns:
            if operation.method == method and pattern.fullmatch(path):
                return operation
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def fault_of_a_problem(answer: httpx.Response) -> str | None:
    """Say what is wrong with a refusal, which has to be a problem of ours."""
    if answer.headers.get("Content-Type") != PROBLEM:
        return "is a refusal that is no problem"  # pragma: no cover - a failure
    problem = json.loads(answer.content)
    if not problem.keys() >= MEMBERS:
        return "is a problem without the members of ours"  # pragma: no cover - a failure
    if problem["status"] != answer.status_code:
        return "is a problem of another status"  # pragma: no cover - a failure
    if problem["request_id"] != answer.headers.get("X-Request-ID"):
        return "is a problem of another request"  # pragma: no cover - a failure
    return None
