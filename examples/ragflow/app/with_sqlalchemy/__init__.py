"""The same services over the same tables with SQLAlchemy, in 2.0 style, which 1.4 runs as well."""
