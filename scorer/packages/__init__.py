"""Teams' own models: what a published package is, and how a node installs one."""
