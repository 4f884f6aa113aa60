"""The contract ``only`` of import-linter: what a package may import. New imports have to be allowed."""

from __future__ import annotations

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """What is in ``importers``, and not in ``without``, imports itself, the standard library and exactly
    the modules ``imported``.
    """

    type_name = "only"

    importers: Any = fields.SetField(subfield=fields.StringField())
    without: Any = fields.SetField(subfield=fields.StringField(), required=False, default=set())
    imported: Any = fields.SetField(subfield=fields.StringField(), required=False, default=set())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        if missing := self.importers - graph.modules:
            raise ValueError(f"There is no {', '.join(sorted(missing))}.")
        own = {name for name in graph.modules if _in(name, self.importers) and not _in(name, self.without)}
        allowed = own | self.imported
        found = [
            f"{importer} may not import {name}"
            for importer in sorted(own)
            for name in sorted(graph.find_modules_directly_imported_by(importer) - allowed)
            if name.partition(".")[0] not in sys.stdlib_module_names
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for text in check.metadata["found"]:
            output.print_error(text)


def _in(name: str, packages: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)
