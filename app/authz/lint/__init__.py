"""What is checked before a policy may decide: its text, its types, its untrusted input and its decision tables."""
