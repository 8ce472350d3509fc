"""The rotation of the wide layout as a matrix."""

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import readonly
from pergamum.index.hnsw.wide import padded_of, signs_of


def rotation(dimension: int) -> npt.NDArray[np.float64]:
    """The matrix whose columns are the rotated axes."""
    from pergamum.index.hnsw.rotation_kernels import rotate

    turned = np.eye(padded_of(dimension), dtype=np.float32)
    for row in turned:
        rotate(readonly(signs_of(dimension)), row)
    return turned.T.astype(np.float64)
