"""The pages that show the API, and what they load."""

import re

import httpx
import pytest

PAGES = ["/docs", "/redoc"]
LOADED = re.compile(r"""(?:src|href)=["']([^"']+)["']""")


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient, page: str) -> None:
    loaded = LOADED.findall((await client.get(page)).text)
    assert [each for each in loaded if not each.startswith("/docs/files/")] == []


@pytest.mark.parametrize("page", PAGES)
async def test_all_that_a_page_loads_is_there(client: httpx.AsyncClient, page: str) -> None:
    loaded = LOADED.findall((await client.get(page)).text)
    assert len(loaded) > 1
    assert {(await client.get(each)).status_code for each in loaded} == {200}


@pytest.mark.parametrize("page", PAGES)
async def test_a_browser_is_told_to_load_nothing_from_elsewhere(
    client: httpx.AsyncClient, page: str
) -> None:
    policy = (await client.get(page)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "://" not in policy


async def test_a_file_that_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs/files/none.js")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


async def test_no_file_beside_those_of_the_pages_can_be_had(client: httpx.AsyncClient) -> None:
    paths = ("__init__.py", "%2e%2e%2fcore.py", "..%2fcore.py")
    assert {(await client.get(f"/docs/files/{path}")).status_code for path in paths} == {404}


async def test_redoc_asks_no_other_host_for_its_logo(client: httpx.AsyncClient) -> None:
    script = (await client.get("/docs/files/redoc.standalone.js")).text
    assert "logo-mini.svg" not in script
    assert 'src:"data:image/gif;base64,' in script
