"""How xdist deals out the work: whole columns, so that each is started once.

Contract: xdist, and `items` for the column of an item.
"""

from __future__ import annotations

from collections import Counter

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from ksem import items

# A worker runs an item when it knows the next: it gets another column while it has so many items left.
AHEAD = 2
# How often an item is tried that takes its worker down.
TRIES = 2


class ColumnScheduling(LoadScopeScheduling):
    """Gives each column to one worker. What is done is taken out: xdist would count all items anew after each.

    keeps_workers: whether those stay that have nothing to do, so that they can take over from one that is lost for good.
    started: the items that workers are at or were at. crashes: how often an item took its worker down.
    """

    keeps_workers = False
    collection: list[str] | None

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.started: set[str] = set()
        self.crashes: Counter[str] = Counter()

    def schedule(self) -> None:
        """As soon as every worker has collected: who is where in the common order."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = collected = list(next(iter(self.registered_collections.values())))
            self._indices = {nodeid: index for index, nodeid in enumerate(collected)}
            for nodeid in collected:
                self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
            for node in self.nodes[:len(self.workqueue)]:
                self._assign_work_unit(node)
        for node in self.nodes:
            self._reschedule(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """One item less for that worker; a new column when it is at the end of one."""
        nodeid = self.registered_collections[node][item_index]
        column = self._split_scope(nodeid)
        unit = self.assigned_work[node].get(column, {})
        unit.pop(nodeid, None)
        if not unit:
            # A worker that dies would leave it to the next, who would wait for something to do.
            self.assigned_work[node].pop(column, None)
        self._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """What a worker had left goes to the others, first of all. Returns the item that it was at when it died, if at any.

        That item is tried once more. Only it is to blame, if anything is.
        """
        units = self.assigned_work.pop(node)
        running = next((nodeid for unit in units.values() for nodeid in unit), None)
        crashed = running if running in self.started else None
        if crashed is not None:
            self.started.discard(crashed)
            self.crashes[crashed] += 1
            if self.crashes[crashed] == TRIES:
                units[self._split_scope(crashed)].pop(crashed)
        for column, unit in reversed(units.items()):
            if unit:
                self.workqueue[column] = unit
                self.workqueue.move_to_end(column, last=False)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def expect_fewer(self, dead: WorkerController) -> None:
        """A worker died, and there will be none in its place: nobody is to wait for what it would have collected."""
        if dead not in self.registered_collections:
            self.numnodes -= 1
        if self.collection is None and self.registered_collections and self.collection_is_completed:
            self.schedule()

    @property
    def left(self) -> list[str]:
        """The items that nobody has run."""
        units = [*self.workqueue.values(), *(unit for work in self.assigned_work.values() for unit in work.values())]
        return [nodeid for unit in units for nodeid in unit]

    def _reschedule(self, node: WorkerController) -> None:
        if node.shutting_down:
            return
        if not self.workqueue:
            if not self.keeps_workers:
                node.shutdown()
        elif self._pending_of(self.assigned_work[node]) <= AHEAD:
            self._assign_work_unit(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        column, unit = self.workqueue.popitem(last=False)
        self.assigned_work.setdefault(node, {})[column] = unit
        node.send_runtest_some([self._indices[nodeid] for nodeid in unit])

    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        return sum(map(len, workload.values()))

    def _split_scope(self, nodeid: str) -> str:
        return items.column_of(nodeid)
