-- The official image runs this once, in POSTGRES_DB, when its data folder is new.
CREATE EXTENSION IF NOT EXISTS quota CASCADE;
