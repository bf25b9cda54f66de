"""A layer policy: what the image was asked to hold lies on top, each path in a layer of its
own, and all that it needs below, in one. A build that changes the application alone changes
the upper layers alone.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.layering import (
    Error,
    ErrorKind,
    Info,
    Layer,
    Planned,
    PolicyInfo,
    Request,
)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "also": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Packages that belong to the application, too",
        }
    },
}


class Layering(exports.Layering):
    def describe(self) -> Info:
        summary = "puts what was asked for into the upper layers, and the rest below"
        policy = PolicyInfo("app-on-top", summary, json.dumps(SCHEMA), uses_history=False)
        return Info("app-on-top", "1.0.0", [policy])

    def plan(self, request: Request) -> Planned:
        if request.policy not in ("", "app-on-top"):
            message = f"no policy is called `{request.policy}`"
            raise refusal(ErrorKind.UNKNOWN_POLICY, "policy", message)
        also = packages(request.options)
        excluded, roots = set(request.excluded), set(request.roots)
        upper, below = [], []
        # In the order of names: the hash in a path is another after every rebuild. A set is asked
        # what is in it and never gone through, for nobody promises its order.
        paths = request.paths
        for index in sorted(range(len(paths)), key=lambda i: (paths[i].name, paths[i].path)):
            if index not in excluded:
                on_top = index in roots or paths[index].package in also
                (upper if on_top else below).append(index)
        layers = [layer(below, "what the application needs")] if below else []
        room = len(paths) if request.max_layers is None else request.max_layers - len(layers)
        if len(upper) <= room:
            layers += [layer([index], "the application") for index in upper]
        elif room > 0:
            layers.append(layer(upper, "the application"))
        else:
            layers = [layer(below + upper, "the application and what it needs")]
        return Planned(layers, [], [])


def layer(paths: list[int], reason: str) -> Layer:
    return Layer(paths, reason, cost=None)


def packages(options: str) -> list[str]:
    """The option `also`."""
    try:
        given = json.loads(options)
    except ValueError as error:
        raise refusal(ErrorKind.INVALID_OPTIONS, "options", f"not JSON: {error}")
    if not isinstance(given, dict):
        raise refusal(ErrorKind.INVALID_OPTIONS, "options", "must be an object")
    for key in given:
        if key != "also":
            raise refusal(ErrorKind.INVALID_OPTIONS, f"options.{key}", "is not an option")
    also = given.get("also", [])
    if not isinstance(also, list) or not all(isinstance(package, str) for package in also):
        raise refusal(ErrorKind.INVALID_OPTIONS, "options.also", "must be a list of packages")
    return also


def refusal(kind: ErrorKind, field: str, message: str) -> Err:
    return Err(Error(kind, message, field, None))
