"""An emulator of Azure: what `pulumi up` declares, at work on one machine. README.md has the map."""
