"""The scorer: what the image runs on the cluster, and what a person runs on a laptop."""
