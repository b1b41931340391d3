"""Open a byte stream to one address: a unix socket, TCP, or TLS over TCP."""

import socket
import ssl
from contextlib import suppress
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

from mas.errors import ConfigurationError
from mas.redis.endpoint import Endpoint
from mas.redis.refusal import RedisRefused
from mas.redis.unix import UnixStream

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}  # seconds, seconds, probes


async def dial(endpoint: Endpoint) -> ByteStream:
    """Open the connection; the caller closes it.

    :raises OSError: if nobody listens there
    :raises RedisRefused: if the certificate it shows is not to be trusted
    :raises ConfigurationError: if the host is no name, or our own TLS files cannot be used
    """
    if endpoint.path:
        return UnixStream(await anyio.connect_unix(endpoint.path))
    context = endpoint.tls.context() if endpoint.tls else None
    try:
        stream = await anyio.connect_tcp(endpoint.host, endpoint.port)
    except UnicodeError as error:
        raise ConfigurationError(f"{endpoint.host} in the Redis URL is no host name") from error
    _keep_alive(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - no database here
    if context is None:
        return stream
    try:
        return await TLSStream.wrap(
            stream, hostname=endpoint.host, ssl_context=context, standard_compatible=False
        )
    except ssl.SSLCertVerificationError as error:
        await anyio.aclose_forcefully(stream)
        raise RedisRefused(f"{endpoint.address} shows a bad certificate: {error.verify_message}") from error
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


def _keep_alive(raw: socket.socket) -> None:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system lets a socket choose its own pace.
        with suppress(AttributeError, OSError):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
