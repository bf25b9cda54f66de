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
# | what arguments may be | types.nix |
# | specifications of images, out of arguments | spec.nix |
# | buildImage, buildLayeredImage, streamLayeredImage | images.nix |
# | what takes archives and makes others | archives.nix |
# | fakeNss, binSh and the like | helpers.nix |
# | streamNixShellImage, buildNixShellImage | shell-image.nix |
# | attributes of derivations as their builders find them | structured.nix |
# | what dockerTools uses within itself | internals.nix |
# | examples | examples.nix |
{
  pkgs ? null,
  # The package that builds, for the machine that builds.
  terrine ? pkgs.buildPackages.callPackage ./package.nix { },
  # The machine that builds.
  system ? pkgs.stdenv.buildPlatform.system,
  # The machine that images are for, in Go's terms; `null` leaves it to terrine.
  go ? if pkgs == null then null else pkgs.stdenv.hostPlatform.go or pkgs.go or null,
  # The same in Nix's. Images are for Linux wherever they are made.
  hostSystem ?
    builtins.replaceStrings [ "-darwin" ] [ "-linux" ]
      (if pkgs == null then system else pkgs.stdenv.hostPlatform.system),
  # What commands find on their path beside what is in the image, and the shell that runs them.
  tools ? if pkgs == null then [ ] else pkgs.buildPackages.stdenv.initialPath,
  shell ? if pkgs == null then null else pkgs.buildPackages.runtimeShell,
  # The authorities by which registries are known, in a file.
  certificates ? if pkgs == null then null else "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt",
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
      system
      ;
  };
  helpers = import ./helpers.nix { inherit lib pkgs build; };
  types = import ./types.nix;
  images = import ./images.nix {
    inherit
      lib
      build
      spec
      types
      ;
  };
  archives = import ./archives.nix {
    inherit
      lib
      build
      go
      types
      certificates
      ;
  };
  shellImages = import ./shell-image.nix {
    inherit
      lib
      build
      images
      helpers
      pkgs
      spec
      types
      ;
  };
  internals = import ./internals.nix {
    inherit
      lib
      helpers
      images
      shell
      pkgs
      ;
  };
  self =
    builtins.removeAttrs images [
      "streamImage"
      "layeredImage"
    ]
    // shellImages
    // archives
    // builtins.removeAttrs helpers [ "file" ]
    // internals
    // {
      inherit terrine;
      # For the tests, and for functions of one's own.
      inherit (lib) makeOverridable overridable;
      # Images to look at, and to begin with.
      examples = import ./examples.nix {
        inherit pkgs;
        tools = self;
      };
    };
in
self
