"""Waiting without holding up anything else."""

import asyncio


async def pause(seconds: float) -> None:
    """Wait so many seconds."""
    await asyncio.sleep(seconds)
