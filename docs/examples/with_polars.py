"""How much a coin swung each day, and what is spread between sources: with polars."""

import io
import os
from urllib.request import urlopen

import polars as pl

URL = os.environ.get("CRYPTOSOURCE_URL", "http://localhost:8000")


def parquet(path: str) -> pl.DataFrame:
    """Return an export. Amounts are strings there, which hold every digit."""
    with urlopen(f"{URL}{path}") as answer:
        return pl.read_parquet(io.BytesIO(answer.read()))


coins = parquet("/data?format=parquet")
spread = (
    coins.with_columns(pl.col("spread_percent").cast(pl.Float64))
    .filter(pl.col("sources").list.len() > 1)
    .sort("spread_percent", descending=True, nulls_last=True)
    .select("id", "sources", "spread_percent")
)
print(spread.head())

# A decimal type with room for what this coin costs, so that nothing is rounded.
price = pl.Decimal(38, 12)
days = parquet("/data/BTC/history?interval=1d&order=asc&format=parquet").with_columns(
    pl.col("low", "high", "close").cast(price)
)
swing = days.with_columns((pl.col("high") - pl.col("low")).alias("swing"))
print(swing.select("bucket_start", "source", "close", "swing", "count"))
