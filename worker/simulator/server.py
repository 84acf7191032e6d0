"""The simulator over real HTTP."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from aiohttp import web

from worker.simulator.control import Control
from worker.simulator.courier import Courier
from worker.simulator.gate import Gate
from worker.simulator.simulator import Simulator

#: Fifty entries with long texts, escaped, fit in.
MAX_BODY = 16 * 1024 * 1024
#: Requests that hang by a fault are not waited for longer than this.
CLOSE_WITHIN_S = 0.2


class SimulatorServer:
    """Serves one `Simulator` while entered: `async with SimulatorServer(sim) as server`."""

    def __init__(
        self, sim: Simulator, host: str = "127.0.0.1", port: int = 0, *, control: bool = True
    ) -> None:
        self.sim = sim
        self._has_control = control
        self._host = host
        self._port = port
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end; the port is known once entered."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY)
        if self._has_control:
            app.router.add_route("*", "/_sim/{tail:.*}", Control(self.sim).handle)
        app.router.add_route("*", "/{tail:.*}", Gate(self.sim).pass_through)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=CLOSE_WITHIN_S, handler_cancellation=True
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, self._port).start()
        self._port = runner.addresses[0][1]
        courier = asyncio.create_task(Courier(self.sim).run())
        self._stack.push_async_callback(_end, courier)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
