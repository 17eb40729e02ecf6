"""Adapters: small layers of each key behind every layer (Bapna 2019, Philip 2020)."""
