# The graph of the application's closure, as Nix exports it to builders.
{ program }:
let
  app = (import ./closure.nix { inherit program; }).app;
  build = name: script: attributes: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    # Nix kills a builder that closes its output before it ends, as `ln` and `cp` do.
    # So the shell may not let one of these take its place.
    args = [ "-euc" "${script}\nexit 0" ];
    PATH = "/usr/bin:/bin";
  } // attributes);
in
{
  text = build "exported-text" "cp graph $out" {
    exportReferencesGraph = [ "graph" app ];
  };
  attributes = build "exported-attributes" ". ./.attrs.sh; cp .attrs.json \${outputs[out]}" {
    __structuredAttrs = true;
    exportReferencesGraph.graph = [ app ];
  };
}
