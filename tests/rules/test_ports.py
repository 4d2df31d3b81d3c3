"""Every port is small, promises what it does, and is kept to it by a contract on each adapter."""

import ast

from tests.rules.source import ROOT, Class, classes, dotted, lineage, sources

MOST_METHODS = 7


def ports() -> dict[str, Class]:
    return {
        name: port
        for name, port in classes("app/ports/").items()
        if "typing.Protocol" in port.bases
    }


def adapters() -> set[tuple[str, str]]:
    """Return pairs of port and adapter; a class named `_Like` this is a part of one."""
    return {
        (port, name)
        for name, adapter in classes("app/adapters/").items()
        if not adapter.node.name.startswith("_")
        for port in lineage(name) & ports().keys()
    }


def attributes(names: set[str], attribute: str) -> set[str]:
    tests = classes("tests/")
    return {tests[name].attribute(attribute) for name in names & tests.keys()} - {""}


def runs() -> set[tuple[str, str]]:
    return {
        (port, adapter)
        for name, test in classes("tests/unit/", "tests/integration/").items()
        if test.node.name.startswith("Test")
        for port in attributes(lineage(name), "port")
        for adapter in attributes(lineage(name), "adapter")
    }


def is_property(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return "property" in map(dotted, method.decorator_list)


def takes_more_than_keywords(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = method.args
    return len(arguments.posonlyargs + arguments.args) > 1 or arguments.vararg is not None


def test_a_port_has_at_most_seven_methods() -> None:
    assert [
        name
        for name, port in ports().items()
        if sum(not is_property(method) for method in port.methods) > MOST_METHODS
    ] == []


def test_the_methods_of_a_port_take_keywords_only() -> None:
    assert [
        f"{port.source.at(method)} {method.name}"
        for port in ports().values()
        for method in port.methods
        if takes_more_than_keywords(method)
    ] == []


def test_a_port_and_each_of_its_methods_says_what_it_promises() -> None:
    assert [
        f"{port.source.at(node)} {node.name}"
        for port in ports().values()
        for node in [port.node, *port.methods]
        if not ast.get_docstring(node)
    ] == []


def test_every_port_has_a_contract() -> None:
    contracts = {contract.attribute("port") for contract in classes("tests/contracts/").values()}
    assert sorted(ports().keys() - contracts) == []


def test_every_port_has_an_adapter_that_names_it_as_a_base() -> None:
    assert sorted(ports().keys() - {port for port, _ in adapters()}) == []


def test_every_adapter_runs_the_contract_of_each_of_its_ports() -> None:
    assert sorted(adapters() - runs()) == []


def test_these_rules_find_something_to_hold() -> None:
    found = {"ports": ports(), "contracts": classes("tests/contracts/"), "adapters": adapters()}
    assert [name for name, things in found.items() if not things] == []


def test_a_contract_is_run_as_it_is_written() -> None:
    """No test of it is overridden, and pytest is not told to look away."""
    tests = classes("tests/")
    overridden = {
        f"{name}.{method.name}"
        for name, test in classes("tests/unit/", "tests/integration/").items()
        for above in (lineage(name) & tests.keys()) - {name}
        for method in test.methods
        if method.name.startswith("test_") and method.name in {m.name for m in tests[above].methods}
    }
    hidden = {
        source.path
        for source in sources("tests/")
        for node in source.nodes
        if isinstance(node, ast.Name) and node.id == "__test__"
    }
    assert (overridden, hidden) == (set(), set())


def test_contracts_of_stores_run_on_both_databases() -> None:
    [conftest] = sources("tests/integration/conftest.py")
    assert 'params=["sqlite", "postgres"]' in (ROOT / conftest.path).read_text()
