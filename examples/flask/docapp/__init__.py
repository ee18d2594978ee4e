"""docapp: a document application whose every expensive action is paid for through quota.

create_app() puts the parts together: the three database doors, the plan manager, quota, and the routes.
"""

from flask import Flask

from quota_client.flask import Quota

from . import account, api, auth, config, console, export, keys, pages, web
from .db import Database
from .callbacks import Callbacks
from .plans import PlanManager


def create_app(settings=None):
    """The Flask application.  `settings` is what config.from_environment() returns (None: call it)."""
    app = Flask(__name__)
    app.config.update(settings or config.from_environment())
    app.db = Database(*(app.config[door] for door in config.DOORS))
    app.plans = PlanManager(app.db.admin)
    app.callbacks = Callbacks(app.config["CALLBACK_SECRET"])
    Quota(app, connect=app.db.app.connect, subject=auth.subject, render=pages.paywall)
    web.init_app(app)
    for module in (auth, keys, api, account, pages, export, console):
        app.register_blueprint(module.blueprint)
    return app
