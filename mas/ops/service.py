"""Listen, and serve whoever comes: a child of the supervision tree, gone at once when it is cancelled."""

import logging
import socket
import ssl
from pathlib import Path
from typing import Final

import anyio
import h11
from anyio.abc import ByteStream, TaskGroup, TaskStatus
from anyio.streams.tls import TLSStream

from mas.errors import ConfigurationError
from mas.ops.door import Door
from mas.ops.labels import Labels
from mas.ops.pages import Pages
from mas.ops.sources import Observer, Sources
from mas.ops.talk import Answer, Request, Respond, talk
from mas.ops.wire import Wire, accepted, listening, port_of
from mas.settings import OpsSettings

log = logging.getLogger(__name__)

MOST: Final = 64
"""Connections at once; for one more, the one ends of which nothing was heard for longest."""
_HANDSHAKE: Final = 5.0
"""Seconds that agreeing on TLS may take."""
_ENDS: Final = (
    TimeoutError,
    ssl.SSLError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    h11.LocalProtocolError,
)


class Ops:
    """The pages of one system.

    :param base: where relative paths in the settings begin
    :ivar url: where it is, once it listens
    :raises ConfigurationError: if the token's file cannot be used
    """

    def __init__(self, settings: OpsSettings, base: Path, sources: Sources) -> None:
        self._settings, self._base = settings, base
        self._pages = Pages(Door(settings.bearer(base)), Observer(sources), Labels(sources.configured))
        self._open = 0
        self._silent: dict[anyio.CancelScope, None] = {}
        """Of connections that nothing is made for just now, the one that spoke longest ago first."""
        self.url = ""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; ready once it listens. Whatever is open then is closed unfinished.

        :raises ConfigurationError: if the address is taken or not this machine's, or a TLS file is unfit
        """
        host, port = self._settings.host, self._settings.port or 0
        context, taken = self._tls(), ""
        try:
            async with listening(host, port) as listeners, anyio.create_task_group() as tasks:
                self.url = self._url(port_of(listeners))
                log.info("health, metrics and dashboard at %s", self.url)
                for listener in listeners:
                    tasks.start_soon(self._listen, listener, context, tasks)
                task_status.started()
        except OSError as error:
            taken = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot listen at {host} port {port}: {taken}",
            where="ops",
            hint="set another port, or stop what listens there",
        )

    async def _listen(
        self, listener: socket.socket, context: ssl.SSLContext | None, tasks: TaskGroup
    ) -> None:
        while True:
            raw = await accepted(listener)
            if self._open >= MOST and not self._make_room():
                raw.close()
                continue
            self._open += 1
            tasks.start_soon(self._serve, Wire(raw), context)

    def _make_room(self) -> bool:
        """End a connection that is silent, if one is: who needs no token for it could hold them all."""
        for scope in self._silent:
            del self._silent[scope]
            scope.cancel()
            return True
        return False

    async def _serve(self, wire: Wire, context: ssl.SSLContext | None) -> None:
        scope = anyio.CancelScope()

        async def answered(request: Request) -> Answer:
            self._silent.pop(scope, None)
            answer = await self._pages.answer(request)
            self._silent[scope] = None
            return answer

        self._silent[scope] = None
        try:
            with scope:
                await self._talk(wire, context, answered)
        finally:
            self._silent.pop(scope, None)
            self._open -= 1

    async def _talk(self, wire: Wire, context: ssl.SSLContext | None, respond: Respond) -> None:
        try:
            async with wire:
                stream: ByteStream = wire
                if context is not None:
                    with anyio.fail_after(_HANDSHAKE):
                        stream = await TLSStream.wrap(
                            wire, ssl_context=context, server_side=True, standard_compatible=False
                        )
                await talk(stream, respond)
        except _ENDS as error:
            # Anyone can knock without speaking TLS, or HTTP, or not to the end.
            log.debug("a connection ended early: %s", type(error).__name__)

    def _tls(self) -> ssl.SSLContext | None:
        certificate, key = self._settings.tls_certificate, self._settings.tls_key
        if certificate is None or key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._base / certificate, self._base / key)
        except OSError as error:  # what ssl raises is one too
            raise ConfigurationError(
                f"the certificate or its key cannot be used: {error.strerror or type(error).__name__}",
                where="ops.tls_certificate",
            ) from None
        return context

    def _url(self, port: int) -> str:
        host, scheme = self._settings.host, "http" if self._settings.tls_certificate is None else "https"
        return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
