"""Every function of quota's, each a builder of Calls, by the level of access that may call it."""
