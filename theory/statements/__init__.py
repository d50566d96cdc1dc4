"""The statements as values, each with its assumptions, claim and derivation."""
