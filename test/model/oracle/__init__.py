"""The oracle: what the contract (API.md) says, in dictionaries and integers.

Written from the contract alone.  No SQL, no floats, nothing shared with the
extension.  Times are microseconds since 1970-01-01 UTC (`times`), None is an
open end.  `World` holds the state, the other modules are functions over it.
"""
