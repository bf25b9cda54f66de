# An image of many paths, by the library and by derivations of dockerTools' shape: programs of a shell, and Python.
{
  terrine,
  library,
  busybox,
  # The stand-in for Nixpkgs' script.
  script,
  # Each round is another image of the same paths.
  round ? "0",
  count ? 400,
}:
let
  inherit (import ./images.nix { inherit terrine library busybox; }) terrineTools package;
  # Each needs the one before it, and one that many need.
  paths = builtins.genList (
    number:
    builtins.toFile "path-${toString number}" ''
      ${if number == 0 then "" else "${builtins.elemAt paths (number - 1)}"}
      ${if number < 20 then "" else "${builtins.elemAt paths (number / 20)}"}
      ${builtins.concatStringsSep "\n" (builtins.genList (line: "${toString number} ${toString line}") 200)}
    ''
  ) count;
  last = builtins.elemAt paths (count - 1);
  config = {
    Cmd = [ last ];
    Env = [ "ROUND=${round}" ];
  };
  streamScript = builtins.path {
    name = "stream.py";
    path = script;
  };
  layers = builtins.toFile "layers.py" ''
    import collections, json, os, sys
    graph = json.load(open(os.environ["PWD"] + "/.attrs.json"))["graph"]
    roots, limit = set(sys.argv[1:3]), 98
    references = {entry["path"]: [r for r in entry["references"] if r != entry["path"]] for entry in graph}
    popularity = collections.Counter()
    for path in references:
        seen, todo = set(), list(references[path])
        while todo:
            next = todo.pop()
            if next not in seen:
                seen.add(next)
                popularity[next] += 1
                todo += references[next]
    order = sorted((p for p in references if p not in roots), key=lambda p: (-popularity[p], p))
    print(json.dumps([[p] for p in order[: limit - 1]] + [order[limit - 1 :]]))
  '';
  derive =
    name: attributes: text:
    derivation (
      {
        inherit name;
        system = builtins.currentSystem;
        builder = "/bin/bash";
        args = [
          "-euc"
          "${text}\nexit 0"
        ];
        PATH = "/usr/bin:/bin";
        # Looking at the program under test takes its time, which is not the library's.
        inherit package;
      }
      // attributes
    );
in
rec {
  ours = terrineTools.buildLayeredImage {
    name = "ours";
    inherit config;
  };
  oursStream = ours.stream;

  theirs = derive "theirs.tar.gz" { } ''python3 ${streamScript} ${conf} | gzip -n > $out'';
  theirsStream = derive "theirs" { } ''
    printf '#!/bin/bash\nexec python3 %s %s "$@"\n' ${streamScript} ${conf} > $out
    chmod +x $out
  '';
  base = derive "base.json" {
    json = builtins.toJSON {
      inherit config;
      architecture = "amd64";
      os = "linux";
    };
    passAsFile = [ "json" ];
  } "cp $jsonPath $out";
  customisation = derive "customisation-layer" { } ''
    mkdir root $out
    cd root
    fakeroot-sysv tar --sort name --numeric-owner --mtime @315532800 --hard-dereference -cf $out/layer.tar .
    sha256sum $out/layer.tar | cut -d ' ' -f 1 > $out/checksum
  '';
  conf = derive "conf.json" {
    __structuredAttrs = true;
    exportReferencesGraph.graph = [
      base
      customisation
    ];
  } ''
    source .attrs.sh
    export PATH=/usr/bin:/bin
    out=''${outputs[out]}
    python3 ${layers} ${base} ${customisation} > layers.json
    python3 - <<END > $out
    import json
    base = json.load(open("${base}"))
    conf = dict(base, store_dir="/nix/store", from_image=None, store_layers=json.load(open("layers.json")),
        customisation_layer="${customisation}", repo_tag="theirs:1", created="1970-01-01T00:00:01+00:00",
        mtime="1970-01-01T00:00:01+00:00", uid="0", gid="0", uname="root", gname="root")
    print(json.dumps(conf))
    END
  '';
}
