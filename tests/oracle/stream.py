"""The oracle: the image of a conf.json, made by Python's own tarfile and json.

    stream.py CONF [--store-root DIR] > image.tar

What terrine writes must have the same layers and the same image id. Each layer is
made twice, once to hash it and once to write it, as a program has to that names
members by their digests: in the benchmark it stands for programs that do.
"""

import argparse
import hashlib
import io
import json
import os
import stat
import sys
import tarfile
import threading
from datetime import datetime, timezone


def when(text):
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment, moment.replace(tzinfo=timezone.utc)
    return moment, moment


def ancestors(store_dir):
    parts = [part for part in store_dir.split("/") if part]
    return ["/" + "/".join(parts[: i + 1]) for i in range(len(parts))]


def descendants(host, path):
    """A path and everything below it, as (host, image) pairs in archive order."""
    found = []

    def visit(host, path):
        found.append((host, path))
        if not os.path.islink(host) and os.path.isdir(host):
            for name in os.listdir(host):
                visit(f"{host}/{name}", f"{path}/{name}")

    visit(host, path)
    return sorted(found, key=lambda pair: pair[1].split("/"))


class Layer:
    def __init__(self, conf, root, paths):
        self.conf, self.root, self.paths = conf, root, paths
        self.mtime = int(when(conf["mtime"])[1].timestamp())

    def owned(self, info):
        info.mtime = self.mtime
        info.uid, info.gid = int(self.conf["uid"]), int(self.conf["gid"])
        info.uname, info.gname = self.conf["uname"], self.conf["gname"]
        return info

    def write(self, out):
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for directory in ancestors(self.conf["store_dir"]):
                info = tarfile.TarInfo(directory)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(self.owned(info))
            for path in self.paths:
                for host, name in descendants(self.root + path, path):
                    self.add(tar, host, name)

    def add(self, tar, host, name):
        status = os.lstat(host)
        info = tarfile.TarInfo(name)
        info.mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(host)
        elif stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
        else:
            info.size = status.st_size
            with open(host, "rb") as file:
                tar.addfile(self.owned(info), file)
            return
        tar.addfile(self.owned(info))


class Hashing:
    def __init__(self):
        self.hash, self.size = hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)


def member(name, size, mtime):
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, mtime
    return info


def add_store_layer(tar, layer):
    hashing = Hashing()
    layer.write(hashing)
    digest = hashing.hash.hexdigest()
    reading, writing = os.pipe()

    def produce():
        with open(writing, "wb") as out:
            layer.write(out)

    with open(reading, "rb") as source:
        thread = threading.Thread(target=produce)
        thread.start()
        tar.addfile(member(f"{digest}/layer.tar", hashing.size, layer.mtime), source)
        thread.join()
    return digest


def base_image(tar, path):
    """Copies the layers of a base image; returns their names, digests and its config."""
    with tarfile.open(path) as base:
        manifest = json.load(base.extractfile("manifest.json"))[0]
        image = json.load(base.extractfile(manifest["Config"]))
        for name in manifest["Layers"]:
            source = base.getmember(name)
            tar.addfile(source, base.extractfile(source))
    digests = [digest.removeprefix("sha256:") for digest in image["rootfs"]["diff_ids"]]
    return list(zip(manifest["Layers"], digests)), image.get("config") or {}


def environment(base, own):
    # Also where there is no base, as terrine does and the original does not.
    merged = {}
    for entry in (base or []) + (own or []):
        merged[entry.split("=", 1)[0]] = entry
    return list(merged.values())


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("conf")
    arguments.add_argument("--store-root", default="")
    arguments = arguments.parse_args()
    with open(arguments.conf) as file:
        conf = json.load(file)
    root = arguments.store_root.rstrip("/")
    mtime = int(when(conf["mtime"])[1].timestamp())
    layers = []  # (member, digest, paths)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        base_config = {}
        if conf["from_image"] is not None:
            base, base_config = base_image(tar, conf["from_image"])
            layers += [(name, digest, [name]) for name, digest in base]
        for paths in conf["store_layers"]:
            digest = add_store_layer(tar, Layer(conf, root, paths))
            layers.append((f"{digest}/layer.tar", digest, paths))
        named = conf["customisation_layer"]
        with open(f"{root}{named}/layer.tar", "rb") as file:
            content = file.read()
        digest = hashlib.sha256(content).hexdigest()
        tar.addfile(member(f"{digest}/layer.tar", len(content), mtime), io.BytesIO(content))
        layers.append((f"{digest}/layer.tar", digest, [named]))

        config = conf["config"]
        env = environment(base_config.get("Env"), (config or {}).get("Env"))
        if env:
            config = config or {}
            config["Env"] = env
        created = when(conf["created"])[0].isoformat()
        image = json.dumps(
            {
                "created": created,
                "architecture": conf["architecture"],
                "os": "linux",
                "config": config,
                "rootfs": {
                    "diff_ids": [f"sha256:{digest}" for _, digest, _ in layers],
                    "type": "layers",
                },
                "history": [
                    {"created": created, "comment": f"store paths: {paths}"} for _, _, paths in layers
                ],
            },
            indent=4,
        ).encode()
        name = f"{hashlib.sha256(image).hexdigest()}.json"
        tar.addfile(member(name, len(image), mtime), io.BytesIO(image))
        manifest = json.dumps(
            [{"Config": name, "RepoTags": [conf["repo_tag"]], "Layers": [m for m, _, _ in layers]}],
            indent=4,
        ).encode()
        tar.addfile(member("manifest.json", len(manifest), mtime), io.BytesIO(manifest))


main()
