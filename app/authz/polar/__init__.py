"""The Polar language: parser, syntax tree, names of types, and proof traces. Imports nothing else of authz."""
