"""What must be inside before anything can be sent: takes sources from the wire and starts the agent.

Contract: the standard library, `wire`, and nothing else of ksem: all the rest comes over the wire,
so that an agent that waits (in a saved VM, behind ssh) runs what was edited since. A module is sent as its source, or as
a list with its marshalled code (bytes as latin-1) where both sides run the same Python: an emulated machine compiles slowly.
"""

import importlib.machinery
import importlib.util
import marshal
import sys
from typing import Any, Dict, List, Optional, Sequence, Union

from ksem.guest import wire

Text = Union[str, List[str]]


class Sources:
    """A finder and loader of modules whose text was sent; a prefix of a known name is a package."""

    def __init__(self) -> None:
        self.texts: Dict[str, Text] = {}

    def update(self, texts: Dict[str, Text]) -> None:
        """Take new texts; modules that were imported from older ones are forgotten."""
        for name, text in texts.items():
            if self.texts.get(name) != text:
                sys.modules.pop(name, None)
        self.texts.update(texts)

    def find_spec(self, name: str, path: Optional[Sequence[Any]], target: Any = None) -> Any:
        package = any(known.startswith(name + ".") for known in self.texts)
        if name not in self.texts and not package:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=package)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        name = module.__name__
        text = self.texts.get(name, "")
        if isinstance(text, list):
            exec(marshal.loads(text[0].encode("latin-1")), module.__dict__)
            return
        filename = name.replace(".", "/") + ".py"
        # Here, as it is slow to import: code that was compiled before does not need it.
        import linecache
        # Without this a traceback could not show the lines of a file that exists nowhere.
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        exec(compile(text, filename, "exec"), module.__dict__)


def serve(channel: wire.Channel) -> None:
    """Say that we are there, take the sources that the host sends, hand over to its agent."""
    channel.send({"ready": wire.PROTOCOL, "python": list(sys.version_info[:3]),
                  "magic": importlib.util.MAGIC_NUMBER.hex()})
    request = channel.receive()
    sources = Sources()
    sources.update(request["load"])
    # Sent modules win over the few that were needed to come this far.
    sys.meta_path.insert(0, sources)
    __import__(request["start"])
    sys.modules[request["start"]].main(channel, sources, **request.get("given", {}))
