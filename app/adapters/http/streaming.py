from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Send


class ClosingStream(StreamingResponse):
    """An answer whose source is closed before it ends, also when its reader leaves.

    Otherwise what the source holds would be held until the garbage collector comes by.
    """

    def __init__(
        self, source: AsyncGenerator[str, None], *, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(source, media_type=media_type, headers=headers)
        self._source = source

    async def stream_response(self, send: Send) -> None:
        """Send all that there is, and close where it comes from."""
        async with aclosing(self._source):
            await super().stream_response(send)
