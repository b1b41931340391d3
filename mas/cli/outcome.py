"""The colour of each decision on a terminal."""

import click

from mas.decision import Decision


def styled(decision: str, *, width: int = 0) -> str:
    """Return a decision in the colour that says whether it let the message through.

    :param width: columns to fill
    """
    text = f"{decision:<{width}}"
    if decision == Decision.ALLOWED:
        return click.style(text, fg="green")
    delivers = decision in set(Decision) and Decision(decision).delivers
    return click.style(text, fg="yellow" if delivers else "red")
