"""quota, the paywall inside the database, from Python."""
