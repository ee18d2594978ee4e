"""The command quota-relay.

    quota-relay init [--grant ROLE]        make or renew the relay's tables, as the role that is to own them
    quota-relay run [--once]               send until SIGTERM; --once: what is there, then end
    quota-relay status                     how far each destination has come; status 1 if one is failing
    quota-relay resend [ID...] [--destination NAME]      send dead letters again
    quota-relay restored                   after a restore or pg_upgrade into another cluster: go on there
    quota-relay secret                     a new secret for a webhook

All but secret, and init with --database, read the configuration file: --config, else $QUOTA_RELAY_CONFIG, else /etc/quota-relay.conf.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

import psycopg

from . import settings, store
from .signature import new_secret
from .worker import Worker

_LOG = logging.getLogger("quota_relay")


def _init(arguments: argparse.Namespace) -> int:
    store.make_tables(arguments.database or settings.read(arguments.config).database, arguments.grant)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    configuration = settings.read(arguments.config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    workers = [
        Worker(configuration.database, destination, configuration.poll, stop, arguments.once)
        for destination in configuration.destinations
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():  # in steps, for a signal is heard between them
            worker.join(1)
    if not arguments.once:
        _LOG.info("stopped")
    return 0 if all(worker.ended_well or not arguments.once for worker in workers) else 1


def _status(arguments: argparse.Namespace) -> int:
    configuration = settings.read(arguments.config)
    failing = False
    for name, sent, waiting, dead, attempts, retry_at, error in store.states(configuration.database):
        print(f"{name}: {sent} sent, {waiting} waiting, {dead} dead letters")
        if attempts:
            failing = True
            print(f"    failed {attempts} times, again at {retry_at}: {error}")
    return 1 if failing else 0


def _resend(arguments: argparse.Namespace) -> int:
    configuration = settings.read(arguments.config)
    if not arguments.ids and arguments.destination is None:
        raise settings.BadSettings("which dead letters: their ids, or --destination NAME for all of one")
    count = store.resend(configuration.database, arguments.destination, arguments.ids)
    print(f"{count} dead letters are to be sent again")
    return 0 if count else 1


def _restored(arguments: argparse.Namespace) -> int:
    configuration = settings.read(arguments.config)
    carried = store.carry_over(configuration.database, {d.name: d.types for d in configuration.destinations})
    for name, count in carried.items():
        print(f"{name}: {count} events of before the restore are to be sent")
    return 0


def _secret(arguments: argparse.Namespace) -> int:
    print(new_secret())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quota-relay", description="sends quota's events to webhooks, by e-mail and into logs")
    parser.add_argument("--config", default=os.environ.get("QUOTA_RELAY_CONFIG", "/etc/quota-relay.conf"), metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("init", help="make or renew the relay's tables")
    command.add_argument("--database", help="connection string of the role that is to own them, if not that of the file")
    command.add_argument("--grant", metavar="ROLE", help="the role that relays")
    command.set_defaults(call=_init)
    command = commands.add_parser("run", help="send until SIGTERM")
    command.add_argument("--once", action="store_true", help="send what is there, then end")
    command.set_defaults(call=_run)
    command = commands.add_parser("status", help="how far each destination has come")
    command.set_defaults(call=_status)
    command = commands.add_parser("resend", help="send dead letters again")
    command.add_argument("ids", nargs="*", type=int, metavar="ID")
    command.add_argument("--destination", metavar="NAME")
    command.set_defaults(call=_resend)
    command = commands.add_parser("restored", help="go on in another cluster")
    command.set_defaults(call=_restored)
    command = commands.add_parser("secret", help="a new secret for a webhook")
    command.set_defaults(call=_secret)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        status: int = chosen.call(chosen)
        return status
    except (settings.BadSettings, PermissionError, TimeoutError, psycopg.Error) as error:
        print(f"quota-relay: {str(error).strip()}", file=sys.stderr)
        return 2


