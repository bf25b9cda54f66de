"""Asks a planner in Python: `python ask.py planner.wasm < questions`.

A question is a line of JSON, `{"plan": REQUEST}`, with the names of the contract; so is the
answer, `{"ok": PLAN}` or `{"err": ERROR}`.
"""

import json
import sys

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Record, Variant

INTERFACES = {"describe": "layering", "plan": "layering", "resolve": "image", "render": "image"}


class Planner:
    def __init__(self, file):
        config = Config()
        config.consume_fuel = True
        self.engine = Engine(config)
        self.component = Component.from_file(self.engine, file)

    def ask(self, function, *arguments):
        """Calls a function in an instance of its own, within the limits of terrine."""
        store = Store(self.engine)
        store.set_fuel(100_000_000_000)
        store.set_limits(memory_size=512 << 20)
        # The linker is empty: there is nothing that the planner could reach.
        instance = Linker(self.engine).instantiate(store, self.component)
        name = f"terrine:planner/{INTERFACES[function]}@0.1.0"
        interface = instance.get_export_index(store, name)
        index = instance.get_export_index(store, function, interface)
        return answer(function, instance.get_func(store, index)(store, *arguments))


def answer(function, value):
    """The answer as JSON. A result whose cases have the same Python type comes as a `Variant`;
    that of `render`, a text or an error, comes as it is.
    """
    if isinstance(value, Variant):
        return {value.tag: plain(value.payload)}
    failed = function == "render" and isinstance(value, Record)
    return {"err" if failed else "ok": plain(value)}


def plain(value):
    """JSON out of a value of the contract."""
    if isinstance(value, Record):
        return {name: plain(field) for name, field in vars(value).items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def typed(value, inner=False):
    """A value of the contract out of JSON: a record has its fields as attributes, and a list in a
    list is a tuple, for the contract has no lists of lists.
    """
    if isinstance(value, dict):
        record = Record()
        for name, field in value.items():
            setattr(record, name, typed(field))
        return record
    if isinstance(value, list):
        items = [typed(item, inner=True) for item in value]
        return tuple(items) if inner else items
    return value


planner = Planner(sys.argv[1])
for line in sys.stdin:
    for function, request in json.loads(line).items():
        arguments = [] if function == "describe" else [typed(request)]
        print(json.dumps(planner.ask(function, *arguments)))
