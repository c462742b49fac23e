"""Requests become jobs: those that wait, in turn, within what their senders may ask for; or they are refused with a reason."""
