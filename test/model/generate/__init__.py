"""Makes random catalogs and operations; everything from one random.Random."""
