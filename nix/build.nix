# Derivations whose builder is terrine itself: no shell, and nothing else, takes part.
{
  lib,
  terrine,
  system,
}:
rec {
  program = "${terrine}/bin/terrine";

  # A derivation of a kind that terrine knows, with the attributes of that kind.
  derive =
    {
      name,
      kind,
      attributes,
      outputs ? [ "out" ],
      passthru ? { },
      meta ? { },
    }:
    let
      drv = derivation (
        attributes
        // {
          inherit
            name
            kind
            outputs
            system
            ;
          builder = program;
          args = [ "__nix-build" ];
          __structuredAttrs = true;
          terrine = program;
        }
      );
    in
    drv // passthru // { inherit passthru meta name; };

  # What a run of terrine writes to `@out@`.
  run =
    {
      name,
      arguments,
      attributes ? { },
      passthru ? { },
      meta ? { },
    }:
    derive {
      inherit name passthru meta;
      kind = "run";
      attributes = attributes // {
        inherit arguments;
      };
    };

  # A package with one program: terrine with these arguments, and those that are given to it.
  app =
    name: arguments:
    derive {
      inherit name;
      kind = "programs";
      attributes.programs.${name} = arguments;
      meta.mainProgram = name;
    };
}
