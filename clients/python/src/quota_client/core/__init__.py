"""What quota_client and quota_client.aio are made of.  Modules know only those before them in this order:

errors, values, rows, call (a statement and how its rows are read), calls (one builder for each function), drivers (how
a call is made over each kind of connection), run, requiring, holding, hold and ahold, surface.
"""
