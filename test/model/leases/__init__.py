"""The protocol of docs/leases.md, checked in every interleaving of small scenarios."""
