"""Check a password again and again on so many threads: `checkpw.py SECONDS THREADS`."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, process_time

import bcrypt

seconds, threads = float(sys.argv[1]), int(sys.argv[2])
PASSWORD = b"correct horse battery staple"
HASHED = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(12))


def go_on(_number: int) -> tuple[int, float]:
    """Give how many checks there were, and the seconds that they took."""
    began, checks = perf_counter(), 0
    while perf_counter() - began < seconds:
        bcrypt.checkpw(PASSWORD, HASHED)
        checks += 1
    return checks, perf_counter() - began


used = process_time()
with ThreadPoolExecutor(threads) as pool:
    done = list(pool.map(go_on, range(threads)))
used = process_time() - used
figures = {
    "logins/s": sum(checks / took for checks, took in done),
    "CPU ms each": used / sum(checks for checks, _ in done) * 1e3,
}
sys.stdout.write(json.dumps(figures))
