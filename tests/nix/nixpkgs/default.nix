# What stands for Nixpkgs: the toy packages, and as much of its library as the project's files use. The test puts
# `packages.nix`, `images.nix`, the library, terrine and busybox beside it.
{
  system ? builtins.currentSystem,
  overlays ? [ ],
}:
let
  toys = import ./packages.nix {
    inherit system;
    terrine = ./terrine;
    busybox = ./busybox;
    library = ./library;
  };
  callPackage =
    file: arguments:
    let
      function = import file;
    in
    function (builtins.intersectAttrs (builtins.functionArgs function) packages // arguments);
  packages =
    toys
    // {
      inherit callPackage;
      buildPackages = toys.buildPackages // {
        inherit callPackage;
        lld = toys.hello;
      };
      lib = {
        importTOML = file: builtins.fromTOML (builtins.readFile file);
        fileset = {
          unions = files: files;
          toSource = { root, fileset }: builtins.deepSeq (map toString fileset) root;
        };
        licenses = {
          mit = "MIT";
          asl20 = "Apache-2.0";
        };
        platforms = {
          linux = [
            "x86_64-linux"
            "aarch64-linux"
          ];
          darwin = [
            "x86_64-darwin"
            "aarch64-darwin"
          ];
        };
      };
      # Nothing is compiled: the package is the program under test.
      rustPlatform.buildRustPackage =
        arguments:
        builtins.deepSeq arguments (
          toys.terrine
          // {
            inherit (arguments) pname version meta;
          }
        );
      lld = toys.hello;
      mkShell =
        arguments:
        toys.build "shell" "echo ${toString (builtins.length arguments.packages)} > $out";
      cargo = toys.hello;
      clippy = toys.hello;
      rustc = toys.hello;
      rustfmt = toys.hello;
    };
in
builtins.foldl' (previous: overlay: previous // overlay (previous // overlay previous previous) previous) packages overlays
