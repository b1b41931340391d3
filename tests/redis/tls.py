"""TLS in front of a server that has none: the bundled binary is built without it."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
import trustme
from anyio.abc import ByteStream, SocketAttribute, TaskStatus
from anyio.from_thread import start_blocking_portal
from anyio.streams.tls import TLSListener


def issue_certificates(directory: Path) -> Path:
    """Put an authority's certificate there, and what it issued to a server and to a client."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    for name, identity in (("server", "localhost"), ("client", "client@example.org")):
        issued = authority.issue_cert(identity)
        issued.private_key_pem.write_to_path(directory / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(directory / f"{name}.pem")
    return directory


def mutual(certificates: Path) -> str:
    """Return the query of a Redis URL that checks the server and shows the client's certificate."""
    files = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"}
    return "&".join(f"{key}={quote(str(certificates / name))}" for key, name in files.items())


@contextmanager
def tls_in_front_of(port: int, certificates: Path) -> Generator[int]:
    """Accept TLS on a free loopback port, ask clients for a certificate, and pass on what they say.

    The port is yielded. Nothing is left when the block ends, connections included.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    with start_blocking_portal("trio") as portal:
        serving, own = portal.start_task(_serve, context, port)
        try:
            yield own
        finally:
            serving.cancel()


async def _serve(context: ssl.SSLContext, port: int, *, task_status: TaskStatus[int]) -> None:
    async def forward(outer: ByteStream) -> None:
        async with (
            outer,
            await anyio.connect_tcp("127.0.0.1", port) as inner,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_pass_on, inner, outer, tasks.cancel_scope)
            tasks.start_soon(_pass_on, outer, inner, tasks.cancel_scope)

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with TLSListener(plain, context, standard_compatible=False) as listener:
        task_status.started(plain.extra(SocketAttribute.local_port))
        await listener.serve(forward)


async def _pass_on(source: ByteStream, sink: ByteStream, both: anyio.CancelScope) -> None:
    """Copy until either side ends, then end both directions."""
    try:
        async for chunk in source:
            await sink.send(chunk)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        pass  # the client left in the middle of a word, as a test may
    both.cancel()
