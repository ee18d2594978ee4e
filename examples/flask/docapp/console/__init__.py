"""The operator's console: who hits the wall, what customers use, plans, support, invoices.

It looks through the door of level reader and acts through that of level admin; each of its pages is a module of
its own, the queries of a page are in queries/, its templates in templates/console/.
"""

from . import catalog, customer, events, invoices, plans, support, use, walls
from .access import blueprint

__all__ = ["blueprint", "catalog", "customer", "events", "invoices", "plans", "support", "use", "walls"]
