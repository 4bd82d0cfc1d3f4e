"""How an attack reports: that it has begun, and counts of what it did and what came back."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Course:
    """One run of an attack. `facts` are printed with the figures."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    facts: "Counter[str]" = field(default_factory=Counter)
