"""What continuous integration runs, one session a claim: `nox` runs the default ones, `nox -l` lists all."""

import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "layers", "supervision", "tests", "lowest", "build"]
nox.options.error_on_missing_interpreters = False  # locally; in CI nox is told otherwise

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
BACKENDS = ("asyncio", "trio")


def install(session: nox.Session, *options: str) -> None:
    """Install the project as it stands here, its extras, and the tools of the dev group."""
    session.install(*options, "--editable", ".[embedded,pydantic]", "--group", "dev")


@nox.session(python=PYTHONS)
@nox.parametrize("backend", BACKENDS)
def tests(session: nox.Session, backend: str) -> None:
    """Run the tests on one interpreter and one backend."""
    install(session)
    session.run("pytest", "--backend", backend, *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest of every dependency that pyproject.toml allows."""
    install(session, "--resolution", "lowest-direct")
    session.run("pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests on both backends and say which branches none of them took."""
    install(session)
    session.run("pytest", "--cov", "--cov-report=term-missing", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format; `nox -s lint -- --fix` mends what can be mended."""
    session.install("ruff>=0.12")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *([] if session.posargs else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types twice: two checkers disagree where one of them guesses."""
    install(session)
    session.install("ty")
    session.run("mypy")
    session.run("ty", "check")


@nox.session
def layers(session: nox.Session) -> None:
    """Check the house itself: import floors, public face, file sizes, borders, documents."""
    install(session)
    session.run("pytest", "tests/test_layers.py", "tests/test_public_face.py", "tests/test_file_sizes.py",
                "tests/test_borders.py", "tests/test_docs.py")  # fmt: skip


@nox.session
def supervision(session: nox.Session) -> None:
    """Take every branch of the supervision package, by the tests that leave nothing to chance."""
    install(session)
    drawn = (f"--ignore=tests/supervision/test_{name}.py" for name in ("model", "turmoil", "storm"))
    session.run("pytest", "tests/supervision", *drawn, "--cov=mas.supervision", "--cov-fail-under=100",
                *session.posargs)  # fmt: skip


@nox.session
def chaos(session: nox.Session) -> None:
    """Bring about each fault again and again; `nox -s chaos -- --trials 20 --only F5-always` chooses."""
    install(session)
    session.run("python", "-m", "tests.faults.chaos", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, install it where nothing else is, and see its script answer."""
    with tempfile.TemporaryDirectory() as directory:
        session.run("uv", "build", "--wheel", "--out-dir", directory, external=True)
        (wheel,) = Path(directory).glob("*.whl")
        session.install(f"mas-runtime[embedded] @ {wheel.as_uri()}")
        session.chdir(directory)
        session.run("mas", "--version")
        session.run("mas", "init", "hello")
        session.run("mas", "check", "--config", "hello")
        session.run(
            "python",
            "-c",
            "import mas, importlib.resources as r; assert r.files(mas).joinpath('py.typed').is_file()",
        )
