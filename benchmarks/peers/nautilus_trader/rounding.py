"""Round numbers down by NautilusTrader's TOPIX 100: `rounding.py SECONDS PRICES`."""

import json
import sys
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time

from nautilus_trader.model.tick_scheme.base import get_tick_scheme

seconds = float(sys.argv[1])
scheme = get_tick_scheme("TOPIX100")
prices = cycle(map(float, json.loads(Path(sys.argv[2]).read_text())))
done = 0
began, used = perf_counter(), process_time()
while perf_counter() - began < seconds:
    for price in islice(prices, 1000):
        scheme.next_bid_price(price)
    done += 1000
took, used = perf_counter() - began, process_time() - used
sys.stdout.write(json.dumps({"prices/s": done / took, "CPU µs per price": used / done * 1e6}))
