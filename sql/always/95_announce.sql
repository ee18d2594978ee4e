-- Sessions that are open know the tables and the version as they were before.
SELECT quota_internal._announce();
