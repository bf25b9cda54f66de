{
  description = "Makes layered, reproducible container images out of package closures";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each =
        function:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = function nixpkgs.legacyPackages.${system};
          }) systems
        );
    in
    {
      packages = each (pkgs: rec {
        terrine = pkgs.callPackage ./nix/package.nix { };
        default = terrine;
      });

      # The functions: `terrine.lib.x86_64-linux.buildLayeredImage { ... }`.
      lib = each (pkgs: import ./nix { inherit pkgs; });

      overlays = import ./nix/overlays.nix;

      apps = each (pkgs: {
        default = {
          type = "app";
          program = "${self.packages.${pkgs.stdenv.hostPlatform.system}.terrine}/bin/terrine";
          meta.description = "Makes layered, reproducible container images out of package closures";
        };
      });

      checks = each (pkgs: {
        inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) terrine;
      });

      devShells = each (pkgs: {
        default = import ./nix/shell.nix { inherit pkgs; };
      });
    };
}
