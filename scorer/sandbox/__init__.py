"""Examining strangers' files in a sandboxed process, which has nothing that could be taken and may take little.

| the process | Linux | macOS | Windows |
|---|---|---|---|
| no credentials in its environment, no file but the one, which comes open | yes | yes | yes |
| its time is over: it is ended | yes | yes | yes |
| limits on processor time, files written, core dumps | yes | yes | no |
| a limit on address space | yes | the system keeps none | no |
| ends with whoever asked; taken first where memory runs out | yes | no | no |
| a list of system calls: it can open, send, start or signal nothing (seccomp, by libseccomp) | yes | no | no |

Where Linux has no libseccomp, that list is done without, unless SCORER_SANDBOX is 'required', as it is in our images: then
nothing is looked at (SandboxError).
"""

from scorer.sandbox.examine import check_style, probe_video

__all__ = ["check_style", "probe_video"]
