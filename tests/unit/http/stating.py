"""Range units of Coinone's KRW/BTC, stated and shown over HTTP."""

from typing import Any, Final

import httpx

NOW: Final = "2026-01-02T03:04:05.678901Z"
COINONE: Final = "/v1/exchanges/coinone"
UNITS: Final = f"{COINONE}/markets/KRW/BTC/range-units"
BANDS: Final = [
    {"range_min": "0", "price_unit": "0.10"},
    {"range_min": "1E+3", "price_unit": "1"},
]
SHOWN: Final = [
    {"range_min": "0", "next_range_min": "1000", "price_unit": "0.1"},
    {"range_min": "1000", "next_range_min": None, "price_unit": "1"},
]
COARSER: Final = [{"range_min": "0", "price_unit": "5"}]


async def put(
    client: httpx.AsyncClient, admin: dict[str, str], url: str = UNITS, **fields: Any
) -> httpx.Response:
    body = {"range_units": BANDS, "source": "a notice"} | fields
    return await client.put(url, json=body, headers=admin)


async def units(
    client: httpx.AsyncClient, admin: dict[str, str], url: str = UNITS, **query: str
) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(url, params=query, headers=admin)).json()
    return answer
