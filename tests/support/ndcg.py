"""How good a ranking is, by relevance judgements."""

import math
from collections.abc import Collection, Sequence


def ndcg(ranking: Sequence[str], relevant: Collection[str], depth: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the first `depth` places, from 0 to 1.

    Jarvelin & Kekalainen, ACM TOIS 20(4), 2002, with gains of 0 and 1 and the discount 1 / log2(1 + rank); the ideal
    ranking has all that is relevant at its head. REQUIRES: something is relevant.
    """
    gained = math.fsum(_discount(rank) for rank, id in enumerate(ranking[:depth], 1) if id in relevant)
    return gained / math.fsum(_discount(rank) for rank in range(1, min(depth, len(relevant)) + 1))


def _discount(rank: int) -> float:
    return 1 / math.log2(1 + rank)
