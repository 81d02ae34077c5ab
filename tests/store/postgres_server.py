"""A PostgreSQL server for the tests, started once: `initdb` and `pg_ctl`, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from psutil import Process

PASSWORD = "s3cret-w0rd"


class Server:
    """A server of our own, with the user and the database ``tester``.

    Args:
        programs: where its programs are, see `programs`.
        is_durable: whether transactions wait for the disk, as they do in use.
    """

    def __init__(self, programs: Path, *, is_durable: bool = False) -> None:
        self._fsync = "on" if is_durable else "off"
        self._programs, self._user = programs, "postgres" if os.geteuid() == 0 else None
        # not in pytest's folder, which other users cannot enter
        self.folder = Path(tempfile.mkdtemp(prefix="paceline-postgres-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._guard = self._guarded()
        options = ["--username=tester", "--auth=scram-sha-256", "--no-sync", "--locale=C"]
        data = ["-D", str(self.folder / "data"), f"--pwfile={password}", "--encoding=UTF8"]
        self._run("initdb", *data, *options)
        for attempt in range(5):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            try:
                self.start()
                break
            except subprocess.CalledProcessError:  # somebody else has taken the port
                if attempt == 4:
                    raise
        self.execute("CREATE DATABASE tester", "postgres")

    def dsn(self, database: str = "tester") -> str:
        return f"postgresql://tester:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def end(self) -> None:
        """Stops the server and removes its folder."""
        self._guard.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)  # its name, where only root may remove it

    def _guarded(self) -> "subprocess.Popen[bytes]":
        """A process that ends the server when its input ends, as it does if this one is killed."""
        program, data = str(self._programs / "pg_ctl"), str(self.folder / "data")
        script = 'cat; "$0" -D "$1" -m immediate stop; rm -rf "$2"'
        return subprocess.Popen(
            ["sh", "-c", script, program, data, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            start_new_session=True,
        )

    def execute(self, statement: str, database: str = "tester") -> None:
        """Executes a statement as the user ``tester``."""
        import psycopg

        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync={self._fsync} -k ''"
        log = self.folder / "log"
        self._control("-l", str(log), "-o", settings, "start")

    def stop(self, mode: str = "fast") -> None:
        self._control("-m", mode, "stop")

    def freeze(self, pid: int | None = None) -> None:
        """Stops its processes, or one of them: it keeps its connections, and answers nothing."""
        for process in [self._main, *self._main.children()] if pid is None else [Process(pid)]:
            process.suspend()

    def thaw(self) -> None:
        """The opposite of `freeze`."""
        for process in [self._main, *self._main.children()]:
            process.resume()

    @property
    def _main(self) -> Process:
        return Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd=self.folder,
            timeout=300,
        )


def programs() -> Path | None:
    """Where the programs of the newest server are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    elsewhere = shutil.which("initdb")
    if found:
        return found[-1].parent
    return None if elsewhere is None else Path(elsewhere).parent


def _version(path: Path) -> float:
    return float(path.parts[-3])
