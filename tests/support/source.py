"""What the tests of the project's own shape read: its files, its functions and their size."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pergamum"
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
COMPILED = ("njit", "kernel", "jit", "intrinsic")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the source, measured. `kernel`: it is compiled, so the wider budgets hold."""

    place: str
    lines: int
    positional: int
    nesting: int
    kernel: bool


def functions() -> Iterator[Function]:
    """Every function of src/pergamum, methods and inner functions included."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield _measured(path, node)


def _measured(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
    return Function(
        place=f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        positional=len(names) - (names[:1] in (["self"], ["cls"])),
        nesting=_nesting(node),
        kernel=any(_name(decorator) in COMPILED for decorator in node.decorator_list),
    )


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator).partition("(")[0].rpartition(".")[2]


def _nesting(node: ast.AST) -> int:
    """How many blocks stand inside one another at the deepest place; `elif` goes no deeper than its `if`."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        deepest = max(deepest, _nesting(child) + (isinstance(child, BLOCKS) and not is_elif))
    return deepest
