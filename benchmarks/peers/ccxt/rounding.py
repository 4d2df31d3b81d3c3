"""Round texts down to one unit with ccxt, for so many seconds: `rounding.py SECONDS PRICES`."""

import json
import sys
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time

from ccxt.base.decimal_to_precision import TICK_SIZE, TRUNCATE, decimal_to_precision

seconds = float(sys.argv[1])
prices = cycle(json.loads(Path(sys.argv[2]).read_text()))
done = 0
began, used = perf_counter(), process_time()
while perf_counter() - began < seconds:
    for price in islice(prices, 1000):
        decimal_to_precision(price, TRUNCATE, 5, TICK_SIZE)
    done += 1000
took, used = perf_counter() - began, process_time() - used
sys.stdout.write(json.dumps({"prices/s": done / took, "CPU µs per price": used / done * 1e6}))
