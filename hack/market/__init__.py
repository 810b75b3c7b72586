"""The nasty market: a CoinPaprika and a CoinGecko that do whatever a test or a person tells them.

Here belongs what stands for the vendors: their routes, payloads, keys, quotas, errors and every
way in which they or the network between have been seen to fail, with a log of what was served.
Nothing of the product is imported here, so that a mistake is not made on both sides alike.
Only the standard library: a framework would not let us send half a body and reset.
"""

from __future__ import annotations

from hack.market.clock import MarketClock
from hack.market.coins import UniverseSettings
from hack.market.control import Control
from hack.market.jsontext import Raw
from hack.market.server import MarketServer
from hack.market.state import Market

__all__ = ["Control", "Market", "MarketClock", "MarketServer", "Raw", "UniverseSettings"]
