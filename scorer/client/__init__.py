"""A person's view of a deployment: what is sent there, watched and fetched."""
