"""The import contracts of pyproject.toml let in only what they name, so they cover files that are new."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.starts import ROOT

grimp = pytest.importorskip("grimp")
linter = pytest.importorskip("importlinter.api").read_configuration(str(ROOT / "pyproject.toml"))


@pytest.fixture(scope="module")
def imports():
    packages = linter["session_options"]["root_packages"]
    return grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)


def broken(graph) -> set[str]:
    """The names of the contracts that such imports break."""
    from importlinter.contracts.layers import LayersContract

    from tests.imports import OnlyContract

    kinds = {"layers": LayersContract, "only": OnlyContract}
    found = [(one.pop("name"), kinds[one.pop("type")], one) for one in deepcopy(linter["contracts_options"])]
    contracts = [kind(name, linter["session_options"], options) for name, kind, options in found]
    return {contract.name for contract in contracts if not contract.check(deepcopy(graph), False).kept}


def test_no_contract_is_broken(imports):
    assert broken(imports) == set()


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        ("sms.providers.acme", "django", "a provider knows"),
        ("sms.providers.acme", "requests", "a provider knows"),
        ("sms.providers.acme", "sms.store", "a provider knows"),
        ("sms.providers.acme", "sms.new", "a provider knows"),
        ("sms.delivery.new", "sms.providers.twilio", "sms knows no vendor"),
        ("sms.delivery.new", "requests", "sms knows no vendor"),
        ("sms.new", "otp.services", "nobody looks upward"),
        ("sms.new", "sms.errors", "the layers of sms"),
        ("sms.store", "sms.services", "the layers of sms"),
        ("otp.guard.new", "sms.store", "through the front door"),
        ("otp.guard.new", "sms.new", "through the front door"),
        ("otp.guard.new", "sms.checks.servers", "through the front door"),
        ("otp.guard.new", "celery", "through the front door"),
        ("otp.guard.new", "config.settings", "nobody looks upward"),
        ("otp.new", "otp.errors", "the layers of otp"),
        ("otp.guard.new", "otp.services", "the layers of otp"),
        ("sms.phone", "django", "without Django"),
        ("otp.codes", "django", "know no Django"),
        ("sms.message", "sms.conf", "know no Django"),
    ],
)
def test_what_nobody_let_in_breaks_a_contract(imports, importer, imported, contract):
    graph = deepcopy(imports)
    for name in {importer, imported} - graph.modules:
        graph.add_module(name, is_squashed="." not in name)
    graph.add_import(importer=importer, imported=imported)
    assert [name for name in broken(graph) if contract in name]
