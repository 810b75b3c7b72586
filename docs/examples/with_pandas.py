"""Which coins moved most, and how a coin went by the hour: with pandas."""

import os
from decimal import Decimal

import pandas as pd

URL = os.environ.get("CRYPTOSOURCE_URL", "http://localhost:8000")
# Only an empty cell is unknown: pandas alone would take the coins NA, NULL and NAN for that too.
UNKNOWN = {"keep_default_na": False, "na_values": [""]}

# Every coin, in one snapshot. Read as floats, amounts are good for statistics.
coins = pd.read_csv(f"{URL}/data?format=csv", parse_dates=["observed_at"], **UNKNOWN)
moved = coins.dropna(subset="percent_change_24h").set_index("id")["percent_change_24h"]
print(moved.abs().nlargest(5))

# As decimals they keep every digit: good for sums of money.
exact = pd.read_csv(f"{URL}/data?format=csv&limit=100", dtype={"market_cap_usd": str}, **UNKNOWN)
caps = [Decimal(cap) for cap in exact["market_cap_usd"].dropna()]
print("market cap of the first hundred:", sum(caps, Decimal(0)))

# One row for each hour and source.
hours = pd.read_csv(
    f"{URL}/data/BTC/history?interval=1h&order=asc&format=csv",
    parse_dates=["bucket_start"],
    **UNKNOWN,
)
closes = hours.pivot_table(index="bucket_start", columns="source", values="close")
print(closes.tail())
