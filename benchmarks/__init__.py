"""Benchmarks: how fast Tessera is, beside other engines, and beside an older commit of its own."""
