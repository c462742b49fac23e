"""Local copies of blobs: one a machine, however many tasks want it at once.

Whoever fetches a copy shares a lock on it until it lets go or its process ends, and a copy is deleted by whoever gets it alone:
the end of one job takes nothing away that another one is about to open.

A folder that every user may write to, and that isn't sticky, belongs to all of them together, as what tasks share on a node does:
there, Azure Batch may run each task as another user. All that is made in it is open to all from its first moment, whatever
the umask, and anybody's copy is as good as one's own, since whoever could plant one could change this one, too. In any other
folder only what is one's own counts.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scorer.store.locks import NOT_FOLLOWED, is_of_this_user, lock

# The copies that this process shares, each by an open file whose lock goes with it.
_shared: dict[Path, int] = {}
_sharing = threading.Lock()

# What opening a file says of a link, a folder, a pipe or a socket, and a file of somebody else's that stand in its place.
_IN_THE_WAY = (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM)


def node_folder() -> Path:
    """What the tasks of one machine share; it is made if need be."""
    folder = node_place()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def node_place() -> Path:
    """Where that is: SCORER_NODE_DIR, or a folder in this user's cache."""
    chosen = os.environ.get("SCORER_NODE_DIR")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scorer"


def capacity() -> int:
    """Bytes of the disk that copies go to, used ones among them."""
    return shutil.disk_usage(node_folder()).total


def is_shared(folder: Path) -> bool:
    """Whether the folder belongs to all users together. A sticky one doesn't: there, nobody may delete what is others'.

    https://www.kernel.org/doc/html/latest/admin-guide/sysctl/fs.html#protected-regular says what else is refused in sticky ones.
    """
    mode = folder.stat().st_mode
    return os.name == "posix" and bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def open_folder(path: Path) -> None:
    """Make the folder, if there is none; in a shared folder it is shared, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not is_shared(path.parent):
        path.mkdir(mode=0o700, exist_ok=True)
        return
    made = new_beside(path)
    made.mkdir()
    made.chmod(0o777)
    try:
        made.rename(path)
    except OSError:
        made.rmdir()
        if not path.is_dir():  # it was nobody else who was quicker
            raise


def open_tree(path: Path) -> None:
    """Let everybody read, change and delete what was just made at `path`, if that is in a shared folder."""
    if not is_shared(path.parent):
        return
    for each in (path, *path.rglob("*")):
        if not each.is_symlink():
            each.chmod(each.stat().st_mode | (0o777 if each.is_dir() else 0o666))


def new_beside(path: Path) -> Path:
    """A name in the same folder that nothing has: what is written there replaces `path` once it is whole."""
    return path.with_name(f".{secrets.token_hex(8)}.new")


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the disk that copies go to; what is in it goes with the block.

    Of a process that was killed, the next one takes it away.
    """
    place = node_folder() / "scratch"
    with locked(place.with_name("scratch.lock")):
        open_folder(place)
        for left in place.iterdir():
            if left.is_symlink() or not left.is_dir():
                continue
            if (file := _lock_folder(left, wait=False)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(file)
        folder = Path(tempfile.mkdtemp(dir=place))
        open_tree(folder)
        file = _lock_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if file is not None:
            os.close(file)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among the machine's processes while the block runs; whoever is killed lets go."""
    while True:
        open_folder(path.parent)
        if (file := _lock(path, os.O_RDWR | os.O_CREAT)) is not None:
            break
    try:
        yield
    finally:
        os.close(file)


def _lock_folder(path: Path, *, wait: bool = True) -> int | None:
    """Like `_lock`; None on Windows, which opens no folders: there, what a killed process left stays."""
    return _lock(path, os.O_RDONLY, wait=wait) if os.name == "posix" else None


def _lock(path: Path, flags: int, *, shared: bool = False, wait: bool = True) -> int | None:
    """The open file, locked.

    None where there is no file, where somebody else has its lock and we don't `wait`, or where `path` became another file
    while we waited: whoever comes now locks that one. What is no plain file to be written (a link, a pipe, a folder, somebody
    else's) is nobody's lock, and is taken away. Raises OSError where nothing is in the way, and no file can be opened or made.
    """
    try:
        file = _open(path, flags | NOT_FOLLOWED)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _IN_THE_WAY or not os.path.lexists(path):
            raise
        take_away(path)
        return None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode) and flags & os.O_RDWR:
            take_away(path)
        lock(file, shared=shared, wait=wait)
        if _is_at(path, file):
            return file
    except BlockingIOError:
        pass
    os.close(file)
    return None


def _open(path: Path, flags: int) -> int:
    """The open file, made if `flags` say so: for this user alone, or, in a shared folder, for everybody."""
    if not flags & os.O_CREAT or not is_shared(path.parent):
        return os.open(path, flags, 0o600)
    if not os.path.lexists(path):
        made = new_beside(path)
        file = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.fchmod(file, 0o666)
        os.close(file)
        with suppress(FileExistsError):  # somebody else was quicker
            os.link(made, path)  # the file is there once it is open to all, and never before
        made.unlink()
    return os.open(path, flags & ~os.O_CREAT)


def try_lock(path: Path) -> int | None:
    """The file at `path`, made if need be, open and locked until it is closed; None where somebody else has its lock."""
    for _ in ("as it is", "without what was in the way"):
        if (file := _lock(path, os.O_RDWR | os.O_CREAT, wait=False)) is not None:
            return file
    return None


def take_away(path: Path) -> None:
    """Whatever stands there; a link's target stays. Raises OSError where it can't be."""
    if path.is_dir() and not path.is_symlink():
        aside = path.with_name(f".{secrets.token_hex(8)}.away")
        with suppress(FileNotFoundError):  # somebody else was quicker
            path.rename(aside)  # what can't be emptied, such as a closed folder, is out of the way all the same
            shutil.rmtree(aside, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_own(path: Path, kind: Callable[[int], bool] = stat.S_ISREG) -> bool:
    """Whether a file (or what `kind` says) that may be used stands there, and no link: one's own, or anybody's if shared."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return kind(found.st_mode) and (is_of_this_user(found.st_uid) or is_shared(path.parent))


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def copy_path(url: str, etag: str) -> Path:
    """Where the copy of the blob at `url` is kept; another ETag is another copy."""
    digest = hashlib.sha256(f"{url}\0{etag}".encode()).hexdigest()[:32]
    # The ending stays: some demuxers go by it.
    return node_folder() / "blobs" / f"{digest}{Path(url).suffix[:8]}"


def copy_once(url: str, etag: str, download: Callable[[Path], None], *, share: bool = True) -> Path:
    """The copy, which `download` writes if no task of this machine has yet.

    It stays until this process forgets it or ends. Without `share`, anybody may forget it: for what no other job wants.
    """
    path = copy_path(url, etag)
    if share and is_own(path) and _share(path):
        return path
    with locked(_lock_path(path)):
        if not is_own(path):
            take_away(path)
            unfinished = _unfinished(path)
            take_away(unfinished)  # a killed task's leftover
            try:
                download(unfinished)
            except BaseException:  # no download goes on from it, and it may be what fills the disk
                unfinished.unlink(missing_ok=True)
                raise
            open_tree(unfinished)
            unfinished.replace(path)
        if share:
            _share(path)
    return path


def _share(path: Path) -> bool:
    """Share the copy with whoever else has it; whether there is one."""
    with _sharing:
        own = _shared.get(path)
        if own is None or not _is_at(path, own):
            # Waits at most for somebody who deletes it.
            if (file := _lock(path, os.O_RDWR, shared=True)) is None:
                return False
            if own is not None:
                os.close(own)
            _shared[path] = file
    return True


def forget_copy(url: str, etag: str) -> None:
    """Give up this process's share, and delete the copy unless others share it, or make it: they will forget it, too."""
    path = copy_path(url, etag)
    with _sharing:
        if (own := _shared.pop(path, None)) is not None:
            os.close(own)
    if (maker := _lock(_lock_path(path), os.O_RDWR | os.O_CREAT, wait=False)) is None:
        return
    try:
        if (alone := _lock(path, os.O_RDWR, wait=False)) is not None:
            _delete(path, alone)
        if not path.exists():
            _unfinished(path).unlink(missing_ok=True)
            if os.name == "posix":
                _lock_path(path).unlink(missing_ok=True)
    finally:
        os.close(maker)


def _delete(path: Path, file: int) -> None:
    """Delete the file at `path`, which is open as `file` and locked."""
    if os.name == "posix":
        path.unlink(missing_ok=True)
        os.close(file)
    else:  # Windows deletes nothing that is open, not even by somebody else
        os.close(file)
        with suppress(PermissionError):
            path.unlink(missing_ok=True)


def _lock_path(path: Path) -> Path:
    """Locked by whoever makes the copy."""
    return path.with_name(f"{path.name}.lock")


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
