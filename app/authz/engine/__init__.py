"""The policy engine: oso in a sandbox, its decisions recorded, replayed and compiled, and proofs of an allow."""
