"""Worker processes of `scorer work` as copies of a process that has loaded what they import: that takes a second for each task.

`scorer work` forks its processes from a server that it starts, and that loads everything anew: here that server is a copy, too.
How one is started is shown by workers that tests start as programs.
"""

from __future__ import annotations

import os
import secrets
import socket
from multiprocessing import forkserver


def use_copies() -> None:
    """Have this process's worker processes forked from a copy of what it is at this moment, when it has no threads yet."""
    address = f"\0workers-{os.getpid()}-{secrets.token_hex(8)}"  # of no file, as the process may be a user without a folder
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    ends, alive = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(alive)
        try:
            forkserver.main(listener.detach(), ends, [])
        finally:
            os._exit(0)
    listener.close()
    os.close(ends)
    # What knows whether there is a server, and where. Its attributes are nobody else's, and there is no other way to say so.
    vars(forkserver._forkserver).update(_forkserver_address=address, _forkserver_alive_fd=alive, _forkserver_pid=pid)
