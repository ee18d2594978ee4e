"""What the console reads, apart from how it is shown.

Each function takes an open connection of level reader, unless it says otherwise, and every list it returns has an
end: a limit, and where there may be more a key to go on from.
"""
