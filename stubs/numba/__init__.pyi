# What pergamum uses of numba, typed: a compiled function keeps the parameters and the result of its Python source.
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

__version__: str
config: Any
types: Any

class Dispatcher(Generic[P, R]):
    py_func: Callable[P, R]
    signatures: list[Any]
    stats: Any
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

# Only the form with parentheses, `@njit(...)`: kernels always say nogil and cache.
def njit(signature: Any = None, /, **options: object) -> Callable[[Callable[P, R]], Dispatcher[P, R]]: ...
def __getattr__(name: str) -> Any: ...
