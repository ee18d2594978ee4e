"""The application as it is: Peewee over a pool of connections, a statement at a time."""
