"""`mas audit` as somebody types it, in a project whose trail is there already."""

from click.testing import CliRunner

from mas.cli.app import app

SINK = "audit-seals.jsonl"


def typed(project, *words, code=0):
    """Return what is said on stdout."""
    done = CliRunner().invoke(app, ["audit", *words, "--config", str(project)])
    assert done.exit_code == code, done.output
    return done.stdout


def refused(project, *words, code):
    """Return what is said on stderr."""
    done = CliRunner().invoke(app, ["audit", *words, "--config", str(project)])
    assert done.exit_code == code, done.output
    return done.stderr
