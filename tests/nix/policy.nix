# An image whose layers another planner decides: a component that is a derivation, held against its digest.
{
  terrine,
  library,
  busybox,
  component,
  digest,
}:
let
  inherit (import ./images.nix { inherit terrine library busybox; }) terrineTools build hello;
  file = builtins.path {
    name = "policy-source";
    path = component;
  };
  policy = build "policy" "mkdir $out; cp ${file} $out/policy.wasm";
in
{
  image = terrineTools.streamLayeredImage {
    name = "policy";
    tag = "1";
    contents = hello;
    planner = {
      component = "${policy}/policy.wasm";
      inherit digest;
    };
  };
}
