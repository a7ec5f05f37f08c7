"""Debug pages of the admin server: what tasks there are, and where the CPU goes.

Behind a flag, because a profile slows the process down while it runs.
"""

import asyncio
import cProfile
import io
import pstats
from collections import Counter
from typing import Final

from aiohttp import web

_MAX_SECONDS: Final = 60.0
_ROWS: Final = 60
_profiling = asyncio.Lock()


async def tasks_page(_request: web.Request) -> web.Response:
    """GET /debug/tasks: how many tasks rest at each place, most frequent first."""
    places = Counter(_place(task) for task in asyncio.all_tasks())
    lines = [f"{count:7} {place}" for place, count in places.most_common()]
    return web.Response(text="\n".join(lines) + "\n")


async def profile_page(request: web.Request) -> web.Response:
    """GET /debug/profile?seconds=5: cProfile of the event loop's thread, by time spent."""
    try:
        seconds = min(float(request.query.get("seconds", "5")), _MAX_SECONDS)
    except ValueError:
        seconds = -1
    if not seconds >= 0:  # as is NaN
        return web.Response(status=400, text="seconds is not a number from 0 on\n")
    if _profiling.locked():
        return web.Response(status=409, text="a profile is being taken already\n")
    async with _profiling:
        return web.Response(text=await _profile(seconds))


async def _profile(seconds: float) -> str:
    profile = cProfile.Profile()
    profile.enable()
    try:
        await asyncio.sleep(seconds)
    finally:
        profile.disable()
    return await asyncio.to_thread(_table, profile)


def _table(profile: cProfile.Profile) -> str:
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(_ROWS)
    return text.getvalue()


def _place(task: "asyncio.Task[object]") -> str:
    stack = task.get_stack(limit=1)
    if not stack:
        return f"{task.get_name()} (ending)"
    code = stack[0].f_code
    return f"{code.co_qualname} {code.co_filename}:{stack[0].f_lineno}"
