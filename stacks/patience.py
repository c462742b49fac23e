"""What is new in Azure isn't known everywhere in it yet: how an update waits for roles, so that it needs no second one.

azure-native by itself asks again where Azure answers 429 or 5xx, and nowhere else. Pulumi's hooks run in the middle of an
update: neither in a preview nor where nothing is made, and they leave nothing behind.
Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (changes take up to 10 minutes)
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pulumi

# How Azure says that a role isn't known where it is assigned: https://github.com/hashicorp/terraform-provider-azurerm/issues/19916,
# https://github.com/hashicorp/terraform-provider-azurerm/issues/10479, https://github.com/pulumi/pulumi-azure/issues/840
UNKNOWN_ROLE = "RoleDefinitionDoesNotExist"
# Seconds between tries: 5, 10, 20, then 30; some eleven minutes in all.
FIRST_PAUSE, LONGEST_PAUSE = 5, 30
TRIES = 24
# A deployment has some 200 resources. Threads are begun as they are needed.
CALLS = 1000
# Seconds after which a role that was given counts where services look.
SETTLED = 300


def make_room() -> None:
    """Let the program make more calls at once than it has resources. To be called before the first of them.

    The SDK has four threads for each step that the engine does at once, and each resource that waits for its turn holds one. Once
    a step has failed no other one has its turn, but the engine waits for the hooks that run; and one that needs a thread, as the
    building of an image does for its token, would wait for the engine.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CALLS))


async def pause(seconds: float) -> None:
    """Let other resources be made meanwhile."""
    await asyncio.sleep(seconds)


def until_role_is_known(name: str) -> pulumi.ErrorHook:
    """For an assignment of a role that was just made: it is tried again while Azure doesn't know the role.

    To repeat is safe, as Azure refuses that at once. What it refuses later, after it has begun to make it, is in Azure and in
    Pulumi's state already, and azure-native would refuse to make it a second time.
    """

    async def known_by_then(failed: pulumi.ErrorHookArgs) -> bool:
        tries = len(failed.errors)
        if tries >= TRIES or UNKNOWN_ROLE not in failed.errors[0]:
            return False
        await pause(min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE))
        return True

    return pulumi.ErrorHook(f"{name}-known", known_by_then)


class Settling:
    """A role that was given in this update or in one that failed just before, and what Azure makes only once the role counts."""

    def __init__(self, name: str) -> None:
        self._given = time.monotonic()  # at the latest, where an earlier update gave it
        self.note = pulumi.ResourceHook(f"{name}-given", self._note)
        """To be run after the role is assigned."""
        self.wait = pulumi.ResourceHook(f"{name}-counts", self._wait)
        """To be run before what needs it is made; it depends on the assignment."""

    def _note(self, _: pulumi.ResourceHookArgs) -> None:
        self._given = time.monotonic()

    async def _wait(self, waiting: pulumi.ResourceHookArgs) -> None:
        if (left := self._given + SETTLED - time.monotonic()) > 0:
            pulumi.log.info(f"'{waiting.name}' waits {left:.0f} s until the role that it needs counts", ephemeral=True)
            await pause(left)
