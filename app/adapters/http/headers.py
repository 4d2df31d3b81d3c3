"""The headers of a request, for what looks at those of each."""

from starlette.types import Scope


def sent(scope: Scope, name: bytes) -> list[str]:
    """Give what the headers of a name say, which is in lower case, as servers pass them on."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
