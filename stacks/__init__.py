"""The deployment, part by part: each module declares one, and __main__.py at the top puts them together."""
