"""The README's path, pasted into a shell beside a service that has just been started."""

import json
import re
import shutil
from pathlib import Path
from typing import Final

import pytest
from anyio import run_process

from tests.integration.server import environment_of, serving

ROOT: Final = Path(__file__).parents[2]
CURL: Final = shutil.which("curl")


def commands_of(heading: str) -> str:
    """Give the first block of commands under a heading."""
    _, _, section = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")
    [block] = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)[:1]
    return str(block)


@pytest.mark.parametrize("curl", [CURL] if CURL else [])
async def test_every_request_of_the_readme_is_answered(tmp_path: Path, curl: str) -> None:
    async with serving(tmp_path, settings={"TICKGATE_BCRYPT_COST": "4"}) as server:
        [password] = re.findall(r"^ *password: (\S+)$", server.said(), re.MULTILINE)
        script = commands_of("Use").replace("the password'", f"{password}'")
        script = script.replace("http://127.0.0.1:8000", server.base_url)
        pasted = await run_process(
            ["bash", "-euo", "pipefail"],
            input=script.replace("curl ", f"{curl} --noproxy '*' --fail-with-body ").encode(),
            cwd=ROOT,
            env=environment_of({}),
        )
    answers = [json.loads(line) for line in pasted.stdout.splitlines()]
    assert answers[0]["username"] == "admin"
    [odd] = answers[1].pop("lint")
    assert odd["code"] == "sentinel_top"
    assert answers[1] == {
        "attempted": 1,
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
        "checked": 0,
        "rejections": [],
    }
    assert [answer["rounded"] for answer in answers[5]["results"]] == ["5005", "1000"]
    assert len(answers) == script.count("\nask ") == 11
