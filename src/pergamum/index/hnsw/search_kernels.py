"""What a search calls: its arrays come by address (`bound.py`), in the order of `Desks.table` and `Desk.table`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index.bound import Bound
from pergamum.index.bound_kernels import BOUND, taken
from pergamum.index.brute_force.work import Doubles, Longs
from pergamum.index.code_rows import CodeRows
from pergamum.index.hnsw import kernels, wide_kernels
from pergamum.index.hnsw.graph import SCORED, Found, Graph, Plan, Scratch
from pergamum.index.hnsw.kernels import MATRIX, PLAN
from pergamum.index.hnsw.wide import Query, Wide
from pergamum.index.jit import F8, FLAG, I8, Whole, array, kernel
from pergamum.index.mask import Flags
from pergamum.index.quantize import QueryCodes
from pergamum.index.row_kernels import FLAGS

_TWO = types.UniTuple(I8, 2)
_u1_rows, _u4_rows = taken(array(types.uint8, 2, readonly=True)), taken(array(types.uint32, 2, readonly=True))
_f4_rows, _f4_line = taken(array(types.float32, 2, readonly=True)), taken(array(types.float32, 1, readonly=True))
_i4_line, _u1_line = taken(array(types.int32, 1, readonly=True)), taken(array(types.uint8, 1, readonly=True))
_u4_line = taken(array(types.uint32, 1, readonly=True))
_own_u1, _own_i8, _own_u8 = taken(array(types.uint8, 1)), taken(array(I8, 1)), taken(array(types.uint64, 1))
_own_u4, _own_i4, _own_i1 = taken(array(types.uint32, 1)), taken(array(types.int32, 1)), taken(array(types.int8, 1))
_own_f4, _own_u2 = taken(array(types.float32, 1)), taken(array(types.uint16, 1))
_own_digits, _own_terms, _own_flags = taken(array(types.int8, 2)), taken(array(F8, 2)), taken(array(FLAG, 1))
_ANSWERS, _COUNTS = (array(F8, 2), array(I8, 2)), types.UniTuple(I8, 3)


@kernel(_COUNTS, _TWO, BOUND, BOUND, PLAN, MATRIX, MATRIX, FLAGS, *_ANSWERS)
def search(
    bodies: tuple[Whole, Whole],
    index: Bound,
    desk: Bound,
    plan: Plan,
    vectors: Matrix,
    raw: Matrix,
    flags: Flags,
    distances: Doubles,
    slots: Longs,
) -> tuple[Whole, Whole, Whole]:
    """Find the nearest of every row of `raw`; return how many vectors were read, codes scored, queries doubtful.

    Shapes   bodies: of row codes, of block sums | raw f4 (m, d) | distances f8, slots i8 (m, k): to be filled. A
             doubtful query, see `search` of kernels.py, has NaN for its first distance.
    Cost     that of `search` in wide_kernels.py; in kernels.py where there are no blocks, or `plan` says that a walk
             keeps to allowed slots.
    """
    rows = CodeRows(_u1_rows(index, 0), _f4_rows(index, 1), _f4_line(index, 2), _i4_line(index, 3))
    graph = Graph(_u4_rows(index, 4), _u4_rows(index, 5), _i4_line(index, 6), _u1_line(index, 7))
    wide = Wide(_u1_rows(index, 8), _f4_rows(index, 9), _u4_line(index, 10))
    scratch = Scratch(
        _own_u1(desk, 0), _own_i8(desk, 1), _own_u8(desk, 2), _own_u4(desk, 3), _own_i4(desk, 4), _own_u8(desk, 5),
        _own_u4(desk, 6), _own_i1(desk, 7), _own_i1(desk, 8),
    )  # fmt: skip
    query = Query(_own_f4(desk, 9), _own_u1(desk, 10), _own_u2(desk, 11), _own_f4(desk, 12), _own_u8(desk, 13))
    digits, terms = _own_digits(desk, 14), _own_terms(desk, 15)
    sizes, doubtful = _own_i8(desk, 16), _own_flags(desk, 17)
    scratch.state[SCORED] = 0
    total = doubts = 0
    for row in range(len(raw)):
        found = Found(distances[row : row + 1], slots[row : row + 1], sizes, doubtful)
        if len(wide.blocks) > 0 and plan.filtered == 0:
            total += wide_kernels.search(bodies, rows, wide, plan, vectors, raw[row], flags, scratch, query, found)
        else:
            asked = QueryCodes(raw[row : row + 1], digits.reshape(1, 2, digits.shape[1]), terms)
            total += kernels.search(bodies[0], rows, graph, plan, vectors, asked, flags, scratch, found)
        if doubtful[0]:
            distances[row, 0] = np.nan
            doubts += 1
    return total, scratch.state[SCORED], doubts


def entered(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Return the one compiled body of a kernel, to be called without looking up types: of nine arguments that is 1 us.

    REQUIRES: every call has arguments of exactly the types the kernel is compiled for, arrays in C order. Those that
    are only read may be writable: the body cannot tell.
    """
    overloads = getattr(compiled, "overloads", None)  # plain Python where nothing is compiled
    if not overloads:
        return compiled
    (body,) = overloads.values()
    entry: Callable[..., Any] = body.entry_point
    return entry
