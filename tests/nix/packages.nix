# A set of packages of the shape of Nixpkgs', as far as the library looks at it. What is in it comes from this
# machine, with the libraries that it needs.
{
  terrine,
  library,
  busybox,
  system ? builtins.currentSystem,
  # The machine that images are for.
  hostPlatform ? {
    inherit system;
  },
}:
let
  inherit (import ./images.nix { inherit terrine library busybox system; })
    build
    tools
    package
    hello
    ;

  # Programs of this machine under their names, which run by the linker and the libraries beside them.
  programs =
    name: files:
    build name ''
      mkdir -p $out/bin $out/lib $out/libexec
      for file in ${toString files}; do
        cp -L $file $out/libexec/
        ldd $file | sed -n 's|.*=> \(/[^ ]*\) .*|\1|p; s|^\t\(/[^ ]*\) .*|\1|p' | while read -r needed; do
          cp -Ln $needed $out/lib/
        done
        base=''${file##*/}
        printf '#!%s\nexec %s --argv0 "$0" --library-path %s %s "$@"\n' \
          ${tools}/bin/sh "$(echo $out/lib/ld-*)" $out/lib $out/libexec/$base > $out/bin/$base
        chmod 755 $out/bin/$base
      done
    '';
in
rec {
  inherit hello tools build;
  terrine = package;
  stdenv = {
    buildPlatform = {
      inherit system;
    };
    inherit hostPlatform;
    initialPath = [ tools ];
  };
  bashInteractive = programs "bash" [ "/bin/bash" ];
  coreutils = tools;
  runtimeShell = "${tools}/bin/sh";
  cacert = build "cacert" ''
    mkdir -p $out/etc/ssl/certs
    echo certificates > $out/etc/ssl/certs/ca-bundle.crt
  '';
  # Its programs are one, by the names that it is called.
  nix = programs "nix" [
    "/usr/bin/nix"
    "/usr/bin/nix-store"
  ];
  shadow = build "shadow" ''
    mkdir -p $out/bin
    printf '#!%s\necho "$2:x:7:7::/:/bin/sh" >> /etc/passwd\n' ${tools}/bin/sh > $out/bin/useradd
    chmod 755 $out/bin/useradd
  '';
  buildPackages = {
    inherit
      stdenv
      runtimeShell
      terrine
      shadow
      ;
  };
}
