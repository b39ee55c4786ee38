"""`python -m tests.bench.uncounted serve ...`: the sidecar with its counters compiled out.

It serves only to measure their cost. A statement of the data path that counts, times or tests
whether to count is left out when its module is compiled. Figures derived from the counters are then
0.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

COUNTING = {"sidecar.store.store": 18, "sidecar.serving.admission": 4}
"""The modules in the path of a GET, and the minimum of counting statements in them."""
COUNTERS = {"stats", "counts", "_l1_counts", "_l3_counts"}
DECIDING = {"in_flight"}
"""Not counters, since requests are refused because of them."""


class Uncounted(ast.NodeTransformer):
    """Removes counting from a module, and counts the removals."""

    def __init__(self) -> None:
        self.removed = 0

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        return self._without(node) if _counts(node.target) else node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        call = node.value
        is_counter = isinstance(call, ast.Call) and _counts(call.func)
        return self._without(node) if is_counter else node

    def visit_If(self, node: ast.If) -> ast.stmt:
        if not node.orelse and any(
            _counts(part) for part in ast.walk(node.test) if isinstance(part, ast.Attribute)
        ):
            return self._without(node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if ast.unparse(node) == "perf_counter()":
            self.removed += 1
            return ast.copy_location(ast.Constant(0.0), node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def _without(self, node: ast.stmt) -> ast.stmt:
        self.removed += 1
        return ast.copy_location(ast.Pass(), node)


def _counts(node: ast.expr) -> bool:
    """Whether it is an attribute of a counter, at any depth."""
    *owners, name = ast.unparse(node).split(".")
    counter = isinstance(node, ast.Attribute) and not COUNTERS.isdisjoint(owners)
    return counter and name not in DECIDING


class Loader(SourceFileLoader):
    """Compiles a module without its counting, bypassing the cache of compiled modules."""

    def get_code(self, fullname: str) -> CodeType:
        transformer = Uncounted()
        tree = transformer.visit(ast.parse(self.get_data(self.path)))
        if transformer.removed < COUNTING[fullname]:
            raise RuntimeError(f"{fullname}: only {transformer.removed} statements count: look")
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class Finder(MetaPathFinder):
    """Makes Loader load these modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in COUNTING:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = Loader(fullname, spec.origin)
        return spec


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder())
    from sidecar.cli import main

    main()
