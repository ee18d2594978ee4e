"""A page walked as its reader would: its files written, its commands run in order, what they print compared.

    walk.py PAGE FOLDER         for one page, in FOLDER; in which the checkout's docs and clients can be named

A block of code that begins with a comment such as "# app.py" or "// app.mjs" is that file.  An sh block is run by
bash; a text block directly after shows what it prints, where … stands for anything.  An HTML comment on a line of its
own directly before an sh block counts for it:

    <!-- not run: WHY -->       it is not run
    <!-- stays: port 8000 -->   it goes on running; the walk goes on when the port is open
    <!-- stays: WORDS -->       the same, when it has printed the words

The server is the environment's (PGHOST and so on).  A page makes database shop, which goes before it and after it.
Its ports are exchanged for free ones.
"""

import fnmatch
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:^<!-- *(?P<comment>[^\n]*?) *-->\n+)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
FILE = re.compile(r"(?:#|//) ([\w.]+\.\w+)\n")
PORTS = re.compile(r"\b(8000|8001|6379)\b")
PATIENCE = 60  # seconds


class Wrong(Exception):
    """The page is not true."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def with_free_ports(text):
    ports = {}
    return PORTS.sub(lambda found: ports.setdefault(found.group(), free_port()), text)


def same(shown, printed):
    """Line by line, … for anything."""
    pattern = re.sub(r"([*?\[])", r"[\1]", shown.strip()).replace("…", "*")
    return fnmatch.fnmatchcase(printed.strip(), pattern)


class Walk:
    def __init__(self, page, folder):
        self.folder = Path(folder)
        self.text = with_free_ports(Path(page).read_text(encoding="utf-8"))
        self.staying = []
        self.environment = os.environ | {
            "PATH": f"/usr/bin:{os.environ['PATH']}",  # another python3 may come first
            "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "no_proxy": "*",
        }
        for name in ("docs", "clients", "examples"):
            if not (self.folder / name).exists():
                (self.folder / name).symlink_to(ROOT / name)

    def run(self):
        self._drop()
        try:
            self._blocks()
        finally:
            self._end_what_stays()
            self._drop()

    def _drop(self):
        drop = "DROP DATABASE IF EXISTS shop WITH (FORCE)"
        subprocess.run(["psql", "-X", "-q", "-d", "postgres", "-c", "SET client_min_messages = error", "-c", drop], check=True)

    def _blocks(self):
        blocks = list(BLOCK.finditer(self.text))
        for block in blocks:  # a command may need a file that is shown after it
            name = FILE.match(block["body"])
            if name:
                (self.folder / name.group(1)).write_text(block["body"], encoding="utf-8")
        for block, after in zip(blocks, [*blocks[1:], None]):
            comment = block["comment"] or ""
            if block["language"] != "sh" or comment.startswith("not run: "):
                continue
            if comment.startswith("stays: "):
                self._stay(block["body"], comment[len("stays: ") :])
                continue
            shown = after["body"] if after and after["language"] == "text" else None
            self._command(block["body"], shown)

    def _command(self, body, shown):
        command = ["bash", "-euo", "pipefail", "-c", body]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        if done.returncode or (shown is not None and not same(shown, done.stdout)):
            raise Wrong(f"{body}\nprinted, with status {done.returncode}:\n{done.stdout}\n{self._what_stays_said()}")

    def _stay(self, body, sign):
        log = self.folder / f"stays-{len(self.staying)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", body], cwd=self.folder, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        self.staying.append((process, log))
        end = time.monotonic() + PATIENCE
        while not self._is_there(sign, log):
            if process.poll() is not None or time.monotonic() > end:
                raise Wrong(f"{body}\ndoes not come up:\n{log.read_text()}")
            time.sleep(0.1)

    @staticmethod
    def _is_there(sign, log):
        port = re.fullmatch(r"port (\d+)", sign)
        if not port:
            return sign in log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port.group(1)))) == 0

    def _what_stays_said(self):
        return "\n".join(f"{log.name}:\n{log.read_text()}" for _, log in self.staying)

    def _end_what_stays(self):
        """Each is a group of processes of its own."""
        for process, _ in reversed(self.staying):
            for kind in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, kind)
                    process.wait(10)
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    continue


if __name__ == "__main__":
    try:
        Walk(sys.argv[1], sys.argv[2]).run()
    except Wrong as wrong:
        sys.exit(str(wrong))
