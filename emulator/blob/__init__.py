"""Blob storage: Azurite, and before it what Azurite doesn't have."""
