# Overlays for Nixpkgs.
rec {
  # Adds `terrine`, and its functions as `terrineTools`.
  default = final: _: {
    terrine = final.callPackage ./package.nix { };
    terrineTools = import ./. {
      pkgs = final;
      # As the set has it, which somebody else may have changed.
      inherit (final.buildPackages) terrine;
    };
  };

  # Puts terrine's functions in the place of `dockerTools`, beside those that only dockerTools has.
  dockerTools =
    final: prev:
    default final prev
    // {
      dockerTools =
        let
          own = builtins.removeAttrs final.terrineTools final.terrineTools.absent;
          over =
            tools:
            tools
            // own
            // {
              examples = tools.examples or { } // own.examples;
            }
            // (if tools ? override then { override = new: over (tools.override new); } else { });
        in
        over prev.dockerTools;
    };

  # Leaves `dockerTools` as it is, but lets terrine stream its images in the place of a Python script: the same
  # images, sooner.
  stream =
    final: prev:
    default final prev
    // {
      dockerTools = prev.dockerTools.override {
        writePython3 =
          _: _: _:
          "${final.buildPackages.terrine}/bin/stream_layered_image";
      };
    };
}
