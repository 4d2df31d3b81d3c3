"""A bot in thirty lines: gets itself a key, asks which price an order may carry, and places it."""

import httpx

MARKET = "/v1/exchanges/upbit/markets/KRW/BTC"


def key_of(tickgate: str, username: str, password: str) -> str:
    """Log in, and make an API key: what runs for weeks does not keep a password."""
    with httpx.Client(base_url=tickgate) as client:
        login = {"username": username, "password": password}
        token = client.post("/v1/auth/login", json=login).raise_for_status().json()["access_token"]
        wanted = {"name": "example bot", "scopes": ["range-units:read"]}
        headers = {"Authorization": f"Bearer {token}"}
        made = client.post("/v1/api-keys", json=wanted, headers=headers).raise_for_status()
    return str(made.json()["key"])


def buy(tickgate: str, key: str, exchange: str, *, price: str, volume: str) -> str:
    """Place an order at a price that the exchange takes, never above the one that is wanted."""
    wanted = {"prices": [price], "side": "buy", "intent": "passive"}
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{tickgate}{MARKET}/prices/round", json=wanted, headers=headers)
    [result] = answer.raise_for_status().json()["results"]
    if result["rounded"] is None:
        raise ValueError(f"No order can carry {price}: {result['reason']}")
    order = {"market": "KRW-BTC", "side": "bid", "price": result["rounded"], "volume": volume}
    httpx.post(f"{exchange}/v1/orders", json=order).raise_for_status()
    return str(result["rounded"])
