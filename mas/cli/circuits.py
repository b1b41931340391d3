"""`mas circuits`: which targets are left alone because they keep failing, and close one by hand."""

from pathlib import Path

import click

from mas.cli.frame import framed
from mas.cli.options import operator_options


@click.group()
def circuits() -> None:
    """Show the circuits of failing targets, and reset one."""


@circuits.command("list")
@operator_options
def list_(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """List the circuits of all agents that have had outcomes lately."""
    from mas.cli.breakers import show_circuits

    with framed(debug=debug):
        show_circuits(config, as_json=as_json)


@circuits.command()
@click.argument("agent", metavar="ID")
@operator_options
def reset(agent: str, config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Close the circuit of one agent; the audit trail says who did."""
    from mas.cli.breakers import reset_circuit

    with framed(debug=debug):
        reset_circuit(config, agent, as_json=as_json)
