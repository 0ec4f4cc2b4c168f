"""`sroamctl check` and `check --repair`: this node's routes, then the databases of all nodes, in one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from sroamd.core.check_json import progress_json, result_json
from sroamd.core.effects import CheckEnded, CheckProgressed, RouteCheckEnded, RouteCheckProgressed
from sroamd.core.node import Node
from sroamd.core.route_check_json import route_progress_json, route_result_json
from sroamd.io.check_desk import CheckDesk

Reply = dict[str, object]


async def check(desk: CheckDesk, node: Node, *, repair: bool) -> AsyncGenerator[Reply, None]:
    """For the control socket: replies with the progress, the last with the result. `repair`: mend the routes."""
    routes: Reply = {}
    async with aclosing(desk.check_routes(repair=repair)) as news_of_routes:
        async for news in news_of_routes:
            if isinstance(news, RouteCheckProgressed):
                yield {"progress": route_progress_json(news)}
            elif isinstance(news, RouteCheckEnded):
                if isinstance(news.outcome, str):
                    yield {"error": news.outcome, "code": "busy"}
                    return
                routes = route_result_json(node.nodes, news.outcome)
    async with aclosing(desk.check()) as news_of_fleet:
        async for news in news_of_fleet:
            if isinstance(news, CheckProgressed):
                yield {"progress": progress_json(news.progress)}
            elif isinstance(news, CheckEnded) and news.result is None:
                yield {"error": "too many checks run already", "code": "busy"}
            elif isinstance(news, CheckEnded) and news.result is not None:
                fleet = result_json(node.state, node.nodes, news.result)
                yield {"result": {"well": fleet["in_step"] and routes["right"], **fleet, "routes": routes}}
