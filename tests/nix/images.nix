# Images by the functions in `nix/`, of packages that the tools of this machine build.
{
  terrine,
  library,
  busybox,
  system ? builtins.currentSystem,
}:
let
  build =
    name: script:
    derivation {
      inherit name system;
      builder = "/bin/sh";
      args = [
        "-euc"
        "${script}\nexit 0"
      ];
      PATH = "/usr/bin:/bin";
    };
  # Named by what they hold, wherever they are.
  file =
    name: path:
    builtins.path {
      inherit name path;
    };
  binary = file "terrine-binary" terrine;
  busyboxBinary = file "busybox-binary" busybox;
  package = build "terrine" ''
    mkdir -p $out/bin
    cp ${binary} $out/bin/terrine
    chmod +x $out/bin/terrine
    printf '#!%s __run\n["stream"]\n' $out/bin/terrine > $out/bin/stream_layered_image
    chmod +x $out/bin/stream_layered_image
  '';
  tools = build "busybox" ''
    mkdir -p $out/bin
    cp ${busyboxBinary} $out/bin/busybox
    chmod +x $out/bin/busybox
    for name in sh mkdir chown chmod touch cat ln env id ls cp stat readlink find httpd wget test sleep; do
      ln -s busybox $out/bin/$name
    done
  '';
  library' = import library {
    terrine = package;
    inherit system;
    tools = [ tools ];
  };
in
rec {
  terrineTools = library';
  inherit package build tools;

  greeting = build "greeting" "mkdir $out; echo Hello from an image that Nix made. > $out/greeting";
  hello = build "hello" ''
    mkdir -p $out/bin
    printf '#!%s\n%s\n' ${tools}/bin/sh '${tools}/bin/cat ${greeting}/greeting' > $out/bin/hello
    chmod +x $out/bin/hello
  '';
  unrelated = build "unrelated" "echo nothing > $out";

  stream = terrineTools.streamLayeredImage {
    name = "acme/Hello";
    contents = [ hello ];
    config.Cmd = [ "/bin/hello" ];
  };
  layered = terrineTools.buildLayeredImage {
    name = "acme/hello";
    tag = "layered";
    contents = hello;
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  plain = terrineTools.buildImage {
    name = "acme/plain";
    copyToRoot = hello;
    config.Cmd = [ "/bin/hello" ];
    uid = 7;
    gid = 8;
    compressor = "zstd";
  };
  commands = terrineTools.buildLayeredImage {
    name = "commands";
    tag = "1";
    contents = hello;
    config.Cmd = [ "/bin/hello" ];
    compressor = "none";
    extraCommands = "mkdir -p var/lib/hello";
    fakeRootCommands = "chown 5:6 /var/lib/hello; ln -s ${unrelated} /unrelated";
    enableFakechroot = true;
    permissions = [
      {
        path = "${hello}/bin/hello";
        mode = "4555";
      }
    ];
    annotations."org.example" = "yes";
  };
  asRoot = terrineTools.buildImage {
    name = "as-root";
    tag = "1";
    fromImage = layered;
    runAsRoot = "mkdir -p /data; chown 9 /data";
    config.Cmd = [ "/bin/hello" ];
  };
  based = terrineTools.streamLayeredImage {
    name = "based";
    tag = "1";
    fromImage = stream;
    contents = greeting;
    config.Env = [ "A=1" ];
  };
  database = terrineTools.buildLayeredImageWithNixDb {
    name = "database";
    tag = "1";
    contents = hello;
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  # What goes on behind a path, what only looks like one, and lists in each other.
  mentions = terrineTools.streamLayeredImage {
    name = "mentions";
    tag = "1";
    contents = [
      null
      [ [ greeting ] ]
    ];
    config = {
      Env = [
        "M=${hello}=/src"
        "NONE=/nix/store/00000000000000000000000000000000-${"hello"}"
        "SCRUBBED=/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-hello"
      ];
      Labels.x = "made of ${greeting}.";
    };
    extraCommands = ./commands.sh;
  };
  other = stream.override { tag = "other"; };
  merged = terrineTools.mergeImages [
    layered
    plain
  ];
  exported = terrineTools.exportImage { fromImage = layered; };
  index = terrineTools.buildIndex {
    name = "acme/index";
    images = [ stream ];
  };
  users = terrineTools.buildLayeredImage {
    name = "users";
    tag = "1";
    contents = [
      (terrineTools.fakeNss.override { extraPasswdLines = [ "web:x:33:33::/:/bin/sh" ]; })
    ];
  };

  # A derivation by a builder that reads a setup, as those of Nixpkgs do, and the environment of its build.
  setup = build "setup" ''
    mkdir $out
    printf 'runHook() { eval "$shellHook"; }\nPATH=%s/bin\n' ${tools} > $out/setup
  '';
  subject = derivation {
    name = "subject";
    inherit system;
    builder = "/bin/bash";
    args = [
      "-c"
      ''source $stdenv/setup; echo "$message $list $flag" > $out; cat $textPath >> $out; exit 0''
    ];
    stdenv = setup;
    message = "it's built";
    list = [
      1
      "two"
      greeting
    ];
    flag = true;
    prefix = "--prefix=${builtins.placeholder "out"}";
    passAsFile = [ "text" ];
    text = "as a file";
    shellHook = "hooked=yes";
  };
  # One with structured attributes, whose builder keeps what it finds.
  structured = derivation {
    name = "structured";
    inherit system setup;
    __structuredAttrs = true;
    builder = "/bin/bash";
    args = [
      "-c"
      ''PATH=/usr/bin:/bin; . ./.attrs.sh; mkdir -p ''${outputs[out]}; touch ''${outputs[dev]}; cp .attrs.* ''${outputs[out]}; exit 0''
    ];
    outputs = [
      "out"
      "dev"
    ];
    text = "it's";
    number = 3;
    whole = 2.0;
    fraction = 1.5;
    yes = true;
    no = false;
    nothing = null;
    prefix = "--prefix=${builtins.placeholder "dev"}";
    list = [
      1
      "a b"
      true
    ];
    nested = [ [ 1 ] ];
    empty = [ ];
    set = {
      a = "b'c";
      "with space" = 1;
    };
    deep.er.est = 1;
    "not-a-name" = "x";
    package = greeting;
    packages = [ greeting ];
    env.EXPORTED = "yes";
  };
  structuredShell = terrineTools.streamNixShellImage {
    drv = structured;
    shell = "/bin/bash";
    tag = "1";
  };
  shell = terrineTools.streamNixShellImage {
    drv = subject;
    shell = "/bin/bash";
    tag = "1";
    config = {
      Labels.own = "yes";
      Env = [ "OWN=yes" ];
    };
  };
  # The image's environment, in a build that has what the image has.
  inShell =
    let
      conf = "${shell.conf}";
    in
    build "in-shell" ''
      export PATH=/usr/bin:/bin
      python3 - ${conf} > run.sh <<'END'
      import json, shlex, sys
      config = json.load(open(sys.argv[1]))["config"]
      print("exec env -i", *map(shlex.quote, config["Env"]), *map(shlex.quote, config["Entrypoint"]), '"$@"')
      END
      mkdir home
      sed -i "s|=/build'|=$PWD/home'|g; s| out=[^ ]*| out=$out|" run.sh
      bash run.sh buildDerivation
    '';

  # What a program prints in a build that has what it refers to and nothing else.
  streamed = build "streamed.tar" "${stream} > $out";
  # As Nixpkgs' streamLayeredImage wraps its script.
  wrapped = build "wrapped.tar" ''
    /bin/bash -c 'exec -a wrapper "$@"' sh ${package}/bin/stream_layered_image ${stream.conf} --repo_tag acme/hello:wrapped > $out
  '';

  # A set of packages whose dockerTools have the shape of Nixpkgs': a script in Python, and a wrapper that calls
  # it with the conf.json.
  packages = {
    callPackage = file: _: throw "nobody asked for ${toString file}";
    buildPackages.terrine = package;
    dockerTools = library'.overridable (
      { writePython3 }:
      let
        streamScript = writePython3 "stream" { } ./stream_layered_image.py;
      in
      {
        streamLayeredImage =
          conf:
          build "stream" ''
            printf '#!/bin/bash\nexec -a "$0" %s %s "$@"\n' ${streamScript} ${conf} > $out
            chmod +x $out
          '';
        onlyThere = true;
        tarsum = "theirs";
      }
    ) { writePython3 = _: _: _: throw "there is no Python here"; };
  };
  overlaid =
    let
      final = packages // (import (library + "/overlays.nix")).stream final packages;
    in
    build "overlaid.tar" "${final.dockerTools.streamLayeredImage stream.conf} --repo_tag acme/hello:overlaid > $out";
  replaced =
    let
      final =
        packages
        // (import (library + "/overlays.nix")).dockerTools final packages
        // {
          terrineTools = library';
        };
    in
    final.dockerTools;

  facts = {
    replaced = {
      inherit (replaced) onlyThere tarsum;
      own = builtins.functionArgs replaced.exportImage == builtins.functionArgs library'.exportImage;
    };
    inherit (stream)
      imageName
      imageTag
      isExe
      ;
    conf = "${stream.conf}";
    plainTag = plain.imageTag;
    plain = "${plain}";
    layeredTag = layered.imageTag;
    layeredName = layered.imageName;
    overridden = other.imageTag;
    push = stream.push.meta.mainProgram;
    override = layered.override.__functionArgs ? compressor;
    pulled =
      let
        image = terrineTools.pullImage {
          imageName = "a/b";
          imageDigest = "sha256:0";
          hash = "";
          finalImageName = "c/d";
        };
      in
      "${image.imageName}:${image.imageTag} ${builtins.substring 0 11 image.drvPath}";
    # Of another architecture than the host's, whose variant it has not.
    variants =
      let
        tools = import library {
          terrine = package;
          inherit system;
          go = {
            GOARCH = "arm";
            GOARM = "7";
          };
        };
        variant = arguments: (tools.buildImage ({ name = "x"; } // arguments)).conf.drvAttrs.spec.variant or null;
      in
      map variant [
        { }
        { architecture = "amd64"; }
        {
          architecture = "arm";
          variant = "v6";
        }
      ];
    arguments = builtins.mapAttrs (_: function: function.__functionArgs) {
      inherit (terrineTools) buildImage buildLayeredImage streamLayeredImage;
    };
    shell = builtins.functionArgs terrineTools.streamNixShellImage;
    darwin =
      let
        image = onDarwin.streamLayeredImage { name = "web"; };
      in
      {
        inherit (image) system;
        host = image.drvAttrs.spec.system;
      };
    # What dockerTools has, and is here.
    names = builtins.attrNames terrineTools;
    pull = builtins.functionArgs terrineTools.pullImage;
    export = builtins.functionArgs terrineTools.exportImage;
  };

  # Each is refused, and by this text.
  refused = {
    compressor = terrineTools.buildLayeredImage {
      name = "x";
      compressor = "lzma";
    };
    contents = terrineTools.buildImage {
      name = "x";
      contents = hello;
      copyToRoot = hello;
    };
    maxLayers = terrineTools.streamLayeredImage {
      name = "x";
      maxLayers = 1;
    };
    unknown = terrineTools.streamLayeredImage {
      name = "x";
      colour = "red";
    };
    hash = terrineTools.pullImage {
      imageName = "x";
      imageDigest = "sha256:0";
    };
    hashes = terrineTools.pullImage {
      imageName = "x";
      imageDigest = "sha256:0";
      hash = "a";
      sha256 = "b";
    };
  };
  # The same of arguments of a wrong type, and of those that contradict each other.
  mistaken = {
    maxLayers = terrineTools.streamLayeredImage {
      name = "web";
      maxLayers = "10";
    };
    contents = terrineTools.buildLayeredImage {
      name = "web";
      contents = [
        hello
        1
      ];
    };
    name = terrineTools.buildImage { name = null; };
    config = terrineTools.buildImage {
      name = "web";
      config = [ "/bin/web" ];
    };
    uid = terrineTools.streamLayeredImage {
      name = "web";
      uid = "root";
    };
    drv = terrineTools.streamNixShellImage {
      drv = "/nix/store/x";
      name = "web";
      shell = "/bin/bash";
    };
    merge = terrineTools.mergeImages layered;
    export = terrineTools.exportImage {
      name = "x";
      fromImage = 5;
    };
    index = terrineTools.buildIndex {
      name = "web";
      images = stream;
    };
    absent = terrineTools.mergeDrvs;
    planner = terrineTools.streamLayeredImage {
      name = "web";
      planner = "auto";
      layeringPipeline = [ ];
    };
    darwin = onDarwin.streamLayeredImage {
      name = "web";
      extraCommands = "mkdir x";
    };
  };
  # As macOS builds.
  onDarwin = import library {
    terrine = package;
    system = "aarch64-darwin";
  };
  # Refused by terrine itself, while it builds.
  failing = terrineTools.buildLayeredImage {
    name = "failing";
    config.cmd = [ "x" ];
  };
}
