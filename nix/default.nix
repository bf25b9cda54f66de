# Images of containers by the functions of Nixpkgs' dockerTools, made by terrine.
#
#   terrineTools = import ./nix { inherit pkgs; };
#
# Without Nixpkgs: `import ./nix { terrine = …; system = "x86_64-linux"; }`, where `terrine` is a
# package with `bin/terrine`.
#
# | what | where |
# |---|---|
# | what has nothing to do with images | lib.nix |
# | derivations whose builder is terrine | build.nix |
# | specifications of images, out of arguments | spec.nix |
# | buildImage, buildLayeredImage, streamLayeredImage | images.nix |
# | what takes archives and makes others | archives.nix |
# | fakeNss, binSh and the like | helpers.nix |
# | streamNixShellImage, buildNixShellImage | shell-image.nix |
{
  pkgs ? null,
  # The package that builds, for the machine that builds.
  terrine ? pkgs.buildPackages.callPackage ./package.nix { },
  # The machine that builds.
  system ? pkgs.stdenv.buildPlatform.system,
  # The machine that images are for, in Go's terms; `null` leaves it to terrine.
  go ? if pkgs == null then null else pkgs.go,
  hostSystem ? if pkgs == null then system else pkgs.stdenv.hostPlatform.system,
  # What commands find on their path beside what is in the image, and the shell that runs them.
  tools ? if pkgs == null then [ ] else pkgs.buildPackages.stdenv.initialPath,
  shell ? if pkgs == null then null else pkgs.buildPackages.runtimeShell,
}:
let
  lib = import ./lib.nix;
  build = import ./build.nix { inherit lib terrine system; };
  spec = import ./spec.nix {
    inherit
      lib
      go
      hostSystem
      tools
      shell
      ;
  };
  helpers = import ./helpers.nix { inherit lib pkgs build; };
  images = import ./images.nix { inherit lib build spec; };
  archives = import ./archives.nix { inherit lib build go; };
  shellImages = import ./shell-image.nix {
    inherit
      lib
      build
      images
      helpers
      pkgs
      ;
  };
in
builtins.removeAttrs images [
  "streamImage"
  "layeredImage"
]
// shellImages
// archives
// helpers
// {
  inherit terrine;
  # For the tests, and for functions of one's own.
  inherit (lib) makeOverridable overridable;
}
