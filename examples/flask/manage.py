#!/usr/bin/python3
"""Commands of the example: set up a database, fill it with real documents, serve.

    manage.py setup                      roles, tables, grants, catalog (needs QUOTA_OWNER_URL, a superuser)
    manage.py seed [--docs DIR]          accounts with documents; prints {"accounts": [...], "console": [...]} on
                                         one line, the second of operators.  With QUOTA_OWNER_URL (a superuser)
                                         the customers' history goes back three months
    manage.py operator EMAIL NAME LEVEL  an account of the console, which may look (reader), act (admin) or no longer
                                         sign in (none); prints its new password
    manage.py maintain                   quota.maintain() once, for a timer to call every minute
    manage.py serve --host H --port N    a threaded development server: right for a demo, not for production
              [--maintain SECONDS]       ... which also calls quota.maintain() that often

All read QUOTA_APP_URL, QUOTA_ADMIN_URL and QUOTA_READER_URL; all but setup also SECRET_KEY and CALLBACK_SECRET
(docapp/config.py says what each is).  setup and seed may be run again at any time.
"""

import argparse
import ipaddress
import json
import os
import secrets
import sys
import threading
import time
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from werkzeug.security import generate_password_hash

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "clients" / "python" / "src")]

from docapp import auth, config, create_app, seed, setup  # noqa: E402
from docapp.console.queries import operators  # noqa: E402


def _setup(_arguments):
    for name in ("QUOTA_OWNER_URL", *config.DOORS):
        if not os.environ.get(name):
            raise config.Unset(f"{name} is not set in the environment")
    changes = setup.run(os.environ["QUOTA_OWNER_URL"], *(os.environ[door] for door in config.DOORS))
    made = [f"{kind} {name} {change}" for kind, name, change in changes if change != "unchanged"]
    print("set up:", ", ".join(made) or "nothing to change", file=sys.stderr)


def _seed(arguments):
    settings, owner = config.from_environment(), os.environ.get("QUOTA_OWNER_URL")
    if owner:
        settings |= dict.fromkeys(config.DOORS, owner)
    app = create_app(settings)
    past = seed.Past(app) if owner else None
    accounts = seed.run(app, arguments.docs, say=lambda line: print(line, file=sys.stderr), past=past)
    app.plans.maintain()
    print(json.dumps({"accounts": accounts, "console": seed.make_operators(app)}))


def _operator(arguments):
    password = secrets.token_urlsafe(12)
    with create_app().db.admin.begin() as connection:
        digest = generate_password_hash(password, auth.PASSWORD_METHOD)
        operators.save(connection, arguments.email.strip().lower(), arguments.name, arguments.level, digest)
    print(password if arguments.level != "none" else "no longer signs in")


def _maintain(_arguments):
    for task, rows in create_app().plans.maintain():
        if rows:
            print(f"{task}: {rows}", file=sys.stderr)


def _serve(arguments):
    app = create_app()
    loopback = arguments.host == "localhost" or ipaddress.ip_address(arguments.host).is_loopback
    if loopback and not arguments.https:
        app.config["SESSION_COOKIE_SECURE"] = False
    if arguments.maintain:
        threading.Thread(target=_keep_tidy, args=(app, arguments.maintain), daemon=True).start()
    print(f"serving http://{arguments.host}:{arguments.port}/ (development server)", file=sys.stderr)
    app.run(host=arguments.host, port=arguments.port, threaded=True, use_reloader=False)


def _keep_tidy(app, seconds):
    """quota.maintain() for ever.  Nothing is wrong while it does not run, so a failure is only told."""
    while True:
        time.sleep(seconds)
        try:
            app.plans.maintain()
        except SQLAlchemyError:
            app.logger.exception("quota.maintain() failed; it is tried again in %s s", seconds)


def main(arguments=None):
    """Parse the command line and run; returns the exit status."""
    parser = argparse.ArgumentParser(description="quota's example application")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("setup").set_defaults(run=_setup)
    command = commands.add_parser("seed")
    command.add_argument("--docs", help="folder with the PostgreSQL manual's HTML pages")
    command.set_defaults(run=_seed)
    command = commands.add_parser("operator")
    command.add_argument("email")
    command.add_argument("name")
    command.add_argument("level", choices=operators.LEVELS)
    command.set_defaults(run=_operator)
    commands.add_parser("maintain").set_defaults(run=_maintain)
    command = commands.add_parser("serve")
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument("--https", action="store_true", help="a proxy in front speaks HTTPS: keep Secure cookies")
    command.add_argument("--maintain", type=float, default=0, metavar="SECONDS", help="call quota.maintain() that often")
    command.set_defaults(run=_serve)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except (config.Unset, FileNotFoundError) as error:
        print(f"manage.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
