"""How xdist deals out the work: whole columns, so that each is started once.

Contract: xdist. An item's column stands in its id, `cases/AREA/BEHAVIOUR.py::COLUMN[VALUES]`.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


class ColumnScheduling(LoadScopeScheduling):
    """Gives each column to one worker. What is done is taken out: xdist would count all items anew after each."""

    def schedule(self) -> None:
        """As soon as every worker has collected: who is where in the common order."""
        self._indices = {nodeid: index for index, nodeid in enumerate(next(iter(self.registered_collections.values())))}
        super().schedule()

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

    def _assign_work_unit(self, node: WorkerController) -> None:
        column, unit = self.workqueue.popitem(last=False)
        self.assigned_work.setdefault(node, {})[column] = unit
        node.send_runtest_some([self._indices[nodeid] for nodeid in unit])

    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        return sum(map(len, workload.values()))

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.rpartition(".py::")[2].partition("[")[0]
