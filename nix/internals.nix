# What dockerTools uses within itself and lets others see, as far as it is of use without its other parts.
{
  lib,
  helpers,
  images,
  shell,
  pkgs,
}:
let
  # The directory with the uppermost layer of an image: `layer.tar` and its `checksum`.
  layerOf = arguments: (images.buildImage arguments).layer;

  absent = {
    tarsum = "nothing reads the sums of Docker 1.9 any more; `sha256sum` tells the digest of a layer";
    mergeDrvs = "`symlinkJoin` joins packages, and `contents` takes a list of them";
    runWithOverlay = "there is no virtual machine; `runAsRoot` and `commands` run commands on an image";
  };
in
{
  # The names of those that are not.
  absent = builtins.attrNames absent;

  # A program of the shell.
  shellScript =
    name: text:
    helpers.file name {
      program = ''
        #!${if shell == null then "/bin/sh" else shell}
        set -e
        export PATH=${if pkgs == null then "" else "${pkgs.coreutils}/bin:"}/bin
        ${text}'';
    };

  # A layer of copies of packages.
  mkPureLayer =
    {
      name,
      # The configuration is no part of a layer here.
      baseJson ? null,
      copyToRoot ? null,
      keepContentsDirlinks ? false,
      uid ? 0,
      gid ? 0,
      extraCommands ? "",
    }@arguments:
    layerOf (builtins.removeAttrs arguments [ "baseJson" ]);

  # The same after commands of root.
  mkRootLayer =
    {
      name,
      runAsRoot,
      baseJson ? null,
      fromImage ? null,
      fromImageName ? null,
      fromImageTag ? null,
      diskSize ? 1024,
      buildVMMemorySize ? 512,
      keepContentsDirlinks ? false,
      copyToRoot ? null,
      extraCommands ? "",
    }@arguments:
    layerOf (builtins.removeAttrs arguments [ "baseJson" ]);
}
# Those that are of no use here, each with what does the same. The overlay leaves Nixpkgs' in their place.
// builtins.mapAttrs (name: instead: throw "`${name}` is not among terrine's functions: ${instead}") absent
