# Store paths that refer to each other in the ways there are. The shell and the tools of
# this machine build them: nothing is fetched.
{ program }:
let
  system = builtins.currentSystem;
  build = name: script: derivation {
    inherit name system;
    builder = "/bin/sh";
    # Nix kills a builder that closes its output before it ends, as `ln` and `cp` do.
    # So the shell may not let one of these take its place.
    args = [ "-euc" "${script}\nexit 0" ];
    PATH = "/usr/bin:/bin";
  };

  # A part of what `program` is; only the build refers to it.
  source = builtins.path { name = "hello-source"; path = program; };
in
rec {
  # As long a name as that of the path that `program` has in it.
  greeting = build "greeting-1.0" ''
    mkdir -p $out/share
    echo Hello from a store that Nix made. > $out/share/greeting.txt
  '';

  hello-program = build "hello-program" ''
    mkdir -p $out/bin
    LC_ALL=C sed 's|/nix/store/[a-z0-9]*-greeting-1.0|${greeting}|' ${source} > $out/bin/hello
    chmod +x $out/bin/hello
  '';

  # Refers to itself, and to what its link leads to.
  app = build "app" ''
    mkdir -p $out/bin $out/share
    ln -s ${hello-program}/bin/hello $out/bin/app
    echo $out > $out/share/self
  '';

  # No directory but a link, and no link but a file.
  current = build "current" ''ln -s ${app} $out'';
  settings = build "settings" ''echo greeting = ${greeting} > $out'';

  # Every character that a name may have.
  odd = build "Odd+name_1.0?x=y.z" ''echo ${settings} > $out'';

  unrelated = build "unrelated" ''echo nothing > $out'';
}
