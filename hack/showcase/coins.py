"""The showcase's coins, largest first: symbol, name, price in dollars, coins there are."""

from __future__ import annotations

from typing import NamedTuple


class SeededCoin(NamedTuple):
    """One coin."""

    symbol: str
    name: str
    price: str
    supply: int


COINS = (
    SeededCoin("BTC", "Bitcoin", "97213.48", 19_790_000),
    SeededCoin("ETH", "Ethereum", "3386.12", 120_430_000),
    SeededCoin("USDT", "Tether", "1.0003", 128_900_000_000),
    SeededCoin("SOL", "Solana", "254.73", 474_600_000),
    SeededCoin("BNB", "BNB", "628.05", 144_000_000),
    SeededCoin("XRP", "XRP", "1.4123", 56_930_000_000),
    SeededCoin("DOGE", "Dogecoin", "0.39871", 146_900_000_000),
    SeededCoin("USDC", "USD Coin", "0.99991", 38_700_000_000),
    SeededCoin("ADA", "Cardano", "0.88412", 35_700_000_000),
    SeededCoin("TRX", "TRON", "0.19934", 86_300_000_000),
    SeededCoin("AVAX", "Avalanche", "36.418", 409_000_000),
    SeededCoin("SHIB", "Shiba Inu", "0.000024913", 589_000_000_000_000),
    SeededCoin("TON", "Toncoin", "5.5187", 2_545_000_000),
    SeededCoin("LINK", "Chainlink", "15.241", 626_800_000),
    SeededCoin("DOT", "Polkadot", "6.3398", 1_520_000_000),
    SeededCoin("BCH", "Bitcoin Cash", "489.77", 19_790_000),
    SeededCoin("LTC", "Litecoin", "89.914", 75_200_000),
    SeededCoin("NEAR", "NEAR Protocol", "5.7721", 1_218_000_000),
    SeededCoin("UNI", "Uniswap", "9.1183", 600_400_000),
    SeededCoin("XLM", "Stellar", "0.28842", 29_990_000_000),
    SeededCoin("PEPE", "Pepe", "0.000020714", 420_690_000_000_000),
    SeededCoin("XMR", "Monero", "161.32", 18_440_000),
    SeededCoin("ETC", "Ethereum Classic", "27.613", 149_400_000),
    SeededCoin("BTT", "BitTorrent", "0.00000098131", 968_000_000_000_000),
)
