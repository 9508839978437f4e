"""A whole service inside this process: migrations, API on a free loopback port, workers. For one job or one demo."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from populace.console import CommandError

if TYPE_CHECKING:
    import uvicorn

    from service.settings import Settings

START_SECONDS = 30.0


def load_settings(**given: Any) -> Settings:
    """Settings from the command line (what is not None) and the environment. Raises CommandError naming the faulty."""
    return _settings({k: v for k, v in given.items() if v is not None})


def private_settings(home: Path, port: int) -> Settings:
    """Embedded mode in `home` and nowhere else, whatever servers and stores the environment names."""
    places = dict.fromkeys(("work_dir", "database_url", "broker_url", "storage_url"))
    return _settings({"mode": "embedded", "home": home, "host": "127.0.0.1", "port": port, **places})


def _settings(values: dict[str, Any]) -> Settings:
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        return Settings(**values)
    except ValidationError as error:
        faults = [
            " ".join(filter(None, (f"POPULACE_{e['loc'][0]}".upper() if e["loc"] else "", e["msg"])))
            for e in error.errors(include_input=False, include_url=False)
        ]
        raise CommandError("; ".join(faults), hint="Settings come from POPULACE_* variables; see the README.") from None


class EmbeddedService:
    """Context manager; `url` and `key` are known inside.

    home: folder for the database and the key (mode 0700); whatever POPULACE_DATABASE_URL, POPULACE_BROKER_URL and
    POPULACE_STORAGE_URL say, nothing leaves it. port: 0 for a free one.
    Leaving it stops the workers (running jobs are stopped with their processes) and then the API.
    """

    def __init__(self, home: Path, *, port: int = 0) -> None:
        self.home = home
        self._port = port
        self.url = ""
        self.key = ""

    def __enter__(self) -> Self:
        import uvicorn

        from service.db import migrate
        from service.main import create_app
        from worker.embedded import Embedded

        self.home.mkdir(parents=True, exist_ok=True)
        os.chmod(self.home, 0o700)
        settings = private_settings(self.home, self._port)
        migrate.upgrade(settings)
        listener = listen("127.0.0.1", self._port)
        config = uvicorn.Config(
            create_app(settings), log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        with ExitStack() as stack:
            stack.enter_context(serving(uvicorn.Server(config), listener))
            worker = Embedded(settings)
            stack.callback(worker.stop)
            worker.start()
            self._stack = stack.pop_all()
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.key = (self.home / "key").read_text(encoding="utf-8").strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@contextmanager
def serving(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    """The API in a thread, from when it is up. Raises CommandError when it does not come up."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise CommandError("The embedded service did not start.", hint="`populace doctor` may say why.")
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CommandError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # who connects before the API is up waits instead of being refused
    except OSError as error:
        listener.close()
        raise CommandError(
            f"Port {port} on {host} cannot be used: {error.strerror}.", hint="Choose another with --port."
        ) from error
    return listener
