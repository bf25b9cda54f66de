# The images of NixOS' tests of dockerTools, made of toy packages; the numbers of lines are those of
# tests/tests/nix_library/nixos.rs.
{
  terrine,
  library,
  busybox,
}:
let
  pkgs = import ./packages.nix { inherit terrine library busybox; };
  toolsOf =
    pkgs:
    import library {
      inherit pkgs;
      inherit (pkgs) terrine;
    };
  t = toolsOf pkgs;
  inherit (pkgs)
    build
    hello
    tools
    bashInteractive
    ;
  sh = "${tools}/bin/sh";

  # As Nixpkgs' buildEnv: links to what packages have.
  environment = build "environment" "mkdir -p $out/bin; ln -s ${hello}/bin/hello $out/bin/hello";
  data = build "data" "mkdir -p $out/share; echo data > $out/share/data";
  dataScript = build "data-script" ''
    mkdir -p $out/bin
    printf '#!%s\n%s %s\n' ${sh} ${tools}/bin/cat ${data}/share/data > $out/bin/data
    chmod 755 $out/bin/data
  '';
  relativeLink = build "relative" ''
    mkdir -p $out/bin
    echo program > $out/bin/nix
    ln -s nix $out/bin/nix-daemon
  '';
  linkPath = build "link-path" "ln -s ${hello}/bin/hello $out";
  static = build "static" "mkdir -p $out/bin; cp ${tools}/bin/busybox $out/bin/busybox; echo $out > $out/self";
  directory = build "directory" "mkdir -p $out; echo bare > $out/bare";

  # An archive whose image has its first layer twice.
  repeated = build "repeated.tar" ''
    mkdir unpacked
    cd unpacked
    tar xf ${images.bulk.stream.archive}
    python3 - <<'END'
    import hashlib, json, os
    manifest = json.load(open("manifest.json"))
    config = json.load(open(manifest[0]["Config"]))
    layers, ids = manifest[0]["Layers"], config["rootfs"]["diff_ids"]
    os.symlink("../" + layers[0], os.path.dirname(layers[0]) + "/again.tar")
    layers.insert(0, layers[0])
    ids.insert(0, ids[0])
    config["history"].insert(0, config["history"][0])
    text = json.dumps(config)
    name = hashlib.sha256(text.encode()).hexdigest() + ".json"
    open(name, "w").write(text)
    manifest[0]["Config"] = name
    json.dump(manifest, open("manifest.json", "w"))
    END
    tar --sort=name -cf $out .
  '';

  layered = name: arguments: t.buildLayeredImage ({ inherit name; } // arguments);
  plain = name: arguments: t.buildImage ({ inherit name; } // arguments);
  run = program: { Cmd = [ program ]; };
  # One file that says which image it is from.
  marked = text: build "marked-${text}" "mkdir $out; echo ${text} > $out/mark";
  images = rec {
    # 1 to 7.
    withStore = layered "with-store" {
      tag = "1";
      contents = environment;
      config = run "/bin/hello";
    };
    withoutStore = layered "without-store" {
      tag = "1";
      contents = environment;
      config = run "/bin/hello";
      includeStorePaths = false;
    };
    withoutStoreChroot = layered "without-store-chroot" {
      tag = "1";
      contents = environment;
      config = run "/bin/hello";
      includeStorePaths = false;
      fakeRootCommands = "touch /made";
      enableFakechroot = true;
    };

    # 8 to 12.
    timeless = plain "timeless" {
      tag = "1";
      copyToRoot = hello;
    };
    now = plain "now" {
      tag = "1";
      copyToRoot = hello;
      created = "now";
    };
    nowLayered = layered "now-layered" {
      tag = "1";
      contents = hello;
      created = "now";
    };
    untagged = plain "untagged" { copyToRoot = hello; };
    untaggedLayered = layered "untagged-layered" { contents = hello; };
    untaggedStream = (t.streamLayeredImage { name = "untagged-stream"; }).archive;
    arm = plain "arm" {
      tag = "1";
      copyToRoot = data;
      architecture = "arm64";
    };
    armStream =
      (t.streamLayeredImage {
        name = "arm-stream";
        tag = "1";
        contents = data;
        architecture = "arm64";
      }).archive;

    # 13, and the tests of cross compilation.
    cross =
      let
        tools = toolsOf (
          import ./packages.nix {
            inherit terrine library busybox;
            hostPlatform = {
              system = "armv7l-linux";
              go = {
                GOARCH = "arm";
                GOARM = "7";
              };
            };
          }
        );
        arguments = {
          name = "cross";
          tag = "1";
          created = "1970-01-01T00:00:01Z";
        };
      in
      {
        layered = tools.buildLayeredImage (arguments // { contents = data; });
        plain = tools.buildImage (
          arguments
          // {
            name = "cross-plain";
            copyToRoot = data;
          }
        );
      };

    # 14 to 16.
    prefixed = plain "registry-1.docker.io/prefixed" {
      tag = "1";
      copyToRoot = hello;
      config = run "/bin/hello";
    };
    prefixedLayered = layered "registry-1.docker.io/prefixed-layered" {
      tag = "1";
      contents = hello;
      config = run "/bin/hello";
    };
    zstd = plain "zstd" {
      tag = "1";
      copyToRoot = hello;
      config = run "/bin/hello";
      compressor = "zstd";
    };
    none = plain "none" {
      tag = "1";
      copyToRoot = hello;
      config = run "/bin/hello";
      compressor = "none";
    };
    zstdLayered = layered "zstd-layered" {
      tag = "1";
      contents = hello;
      config = run "/bin/hello";
      compressor = "zstd";
    };
    noneLayered = layered "none-layered" {
      tag = "1";
      contents = hello;
      config = run "/bin/hello";
      compressor = "none";
    };

    # 17 and 18.
    nix = t.buildImageWithNixDb {
      name = "nix";
      tag = "1";
      copyToRoot = [
        pkgs.nix
        tools
        t.fakeNss
      ];
      config.Env = [ "USER=nobody" ];
    };
    fileInStore = t.buildLayeredImageWithNixDb {
      name = "file-in-store";
      contents = [
        pkgs.nix
        tools
        t.fakeNss
        dataScript
      ];
      config = {
        Cmd = [ "/bin/data" ];
        Env = [ "USER=nobody" ];
      };
    };

    # 19 to 22.
    user = layered "user" {
      tag = "1";
      contents = tools;
      config = {
        Cmd = [
          "/bin/sh"
          "-c"
          "stat -c %a /nix /nix/store; id -u"
        ];
        User = "1000:1000";
      };
    };
    owned = layered "owned" {
      tag = "1";
      contents = tools;
      fakeRootCommands = "mkdir -p ./home/user; chown 1000 ./home/user";
      config.Cmd = [
        "/bin/sh"
        "-c"
        "stat -c %u /home/user"
      ];
    };
    ownedChroot = layered "owned-chroot" {
      tag = "1";
      contents = tools;
      fakeRootCommands = "touch /testfile; chown 12345:12345 /testfile";
      enableFakechroot = true;
      config.Cmd = [
        "/bin/sh"
        "-c"
        "stat -c %u:%g /testfile"
      ];
    };
    ofUser = layered "of-user" {
      tag = "1";
      contents = tools;
      uid = 1000;
      gid = 1000;
      uname = "user";
      gname = "user";
      config.Cmd = [
        "/bin/sh"
        "-c"
        "stat -c %u:%g ${tools}"
      ];
    };

    # 23 and 24.
    links = plain "links" {
      tag = "1";
      copyToRoot = [
        relativeLink
        tools
      ];
      config.Cmd = [
        "/bin/readlink"
        "/bin/nix-daemon"
      ];
    };
    linksLayered = layered "links-layered" {
      tag = "1";
      contents = [
        relativeLink
        tools
      ];
      config.Cmd = [
        "/bin/readlink"
        "/bin/nix-daemon"
      ];
    };
    linked = layered "linked" {
      tag = "1";
      contents = tools;
      config.Cmd = [
        "/bin/readlink"
        "${linkPath}"
      ];
    };

    # 27 to 29.
    bulk = layered "bulk" {
      tag = "1";
      contents = tools;
      maxLayers = 2;
      config.Cmd = [
        "/bin/sh"
        "-c"
        "ls /bin/cat"
      ];
    };
    onLayered = plain "on-layered" {
      tag = "1";
      fromImage = bulk;
      copyToRoot = hello;
      config = run "/bin/hello";
    };
    layeredOnLayered = layered "layered-on-layered" {
      tag = "1";
      fromImage = bulk;
      contents = hello;
      config = run "/bin/hello";
      maxLayers = 4;
    };
    onRepeated = plain "on-repeated" {
      tag = "1";
      fromImage = repeated;
      runAsRoot = "mkdir -p /made; touch /made/here";
      config.Cmd = [
        "/bin/ls"
        "/made"
      ];
    };

    # 30 to 32.
    server = layered "server" {
      tag = "1";
      contents = [
        tools
        t.fakeNss
      ];
      extraCommands = "mkdir -p srv tmp var/log; echo served > srv/index.html";
      config.Cmd = [
        "/bin/httpd"
        "-f"
        "-p"
        "127.0.0.1:8000"
        "-h"
        "/srv"
      ];
    };
    parentheses = plain "parentheses" {
      tag = "1";
      runAsRoot = "(echo root > /root-made)";
      extraCommands = "(mkdir extra-made)";
      copyToRoot = tools;
      config.Cmd = [
        "/bin/ls"
        "-d"
        "/root-made"
        "/extra-made"
      ];
    };
    byPath = layered "by-path" {
      tag = "1";
      extraCommands = "echo '(hello)' > file";
      config.Cmd = [
        "${tools}/bin/cat"
        "/file"
      ];
    };

    # 34 and 35.
    stack =
      let
        bottom = layered "bottom" {
          tag = "1";
          contents = [
            (marked "bottom")
            tools
          ];
        };
        middle = layered "middle" {
          tag = "1";
          fromImage = bottom;
          contents = marked "middle";
        };
      in
      layered "stack" {
        tag = "1";
        fromImage = middle;
        contents = marked "top";
        config.Cmd = [
          "/bin/cat"
          "/mark"
        ];
      };
    order =
      let
        write =
          name: fromImage: letter:
          plain name {
            tag = "1";
            inherit fromImage;
            copyToRoot = tools;
            extraCommands = "mkdir -p order; printf ${letter} > order/${letter}; printf ${letter} > order/last";
          };
        a = write "order-a" null "a";
        b = write "order-b" a "b";
      in
      plain "order" {
        tag = "1";
        fromImage = write "order-c" b "c";
        runAsRoot = "cat /order/a /order/b /order/c /order/last > /order/all";
        config.Cmd = [
          "/bin/cat"
          "/order/all"
        ];
      };

    # 39.
    noStorePaths = layered "no-store-paths" {
      tag = "1";
      contents = static;
      config.Cmd = [
        "/bin/busybox"
        "find"
        "/nix/store"
        "-maxdepth"
        "1"
        "-mindepth"
        "1"
      ];
    };

    # 40 and 41.
    parent = layered "parent" {
      tag = "1";
      contents = tools;
      config.Env = [
        "FROM_PARENT=true"
        "LAST=parent"
      ];
    };
    child = plain "child" {
      tag = "1";
      fromImage = parent;
      config = {
        Env = [
          "FROM_CHILD=true"
          "LAST=child"
        ];
        Cmd = [ "/bin/env" ];
      };
    };
    childLayered = layered "child-layered" {
      tag = "1";
      fromImage = parent;
      config = {
        Env = [
          "FROM_CHILD=true"
          "LAST=child"
        ];
        Cmd = [ "/bin/env" ];
      };
    };

    # 42 to 47.
    merged = t.mergeImages [
      withStore
      none
    ];
    mergedUntagged = t.mergeImages [
      untagged
      withStore
    ];
    mergedMixed = t.mergeImages [
      zstd
      noneLayered
      owned
    ];
    onlyByCommands = layered "only-by-commands" {
      tag = "1";
      contents = tools;
      fakeRootCommands = "mkdir -p ./bin; ln -s ${hello}/bin/hello ./bin/by-commands";
      config = run "/bin/by-commands";
    };
    exported = t.exportImage {
      name = "exported.tar";
      fromImage = plain "bash" {
        tag = "1";
        copyToRoot = bashInteractive;
      };
    };

    # 48, 49 and 51.
    written = layered "written" {
      tag = "1";
      contents = tools;
      fakeRootCommands = "mkdir -p /bin; cp ${hello}/bin/hello /bin/written; chmod 755 /bin/written";
      enableFakechroot = true;
      config = run "/bin/written";
    };
    bare = plain "bare" {
      tag = "1";
      copyToRoot = [
        tools
        "${directory}"
      ];
      config.Cmd = [
        "/bin/cat"
        "/bare"
      ];
    };
    bareLayered = layered "bare-layered" {
      tag = "1";
      contents = [
        tools
        "${directory}"
      ];
      config.Cmd = [
        "/bin/cat"
        "/bare"
      ];
    };
    certificates = layered "certificates" {
      tag = "1";
      contents = [
        tools
        t.caCertificates
      ];
      config.Cmd = [
        "/bin/cat"
        "/etc/ssl/certs/ca-bundle.crt"
        "/etc/ssl/certs/ca-certificates.crt"
        "/etc/pki/tls/certs/ca-bundle.crt"
      ];
    };
    shadow = layered "shadow" {
      tag = "1";
      contents = [
        tools
        t.binSh
        t.usrBinEnv
      ];
      fakeRootCommands = ''
        ${t.shadowSetup}
        useradd -r user
      echo "user:x:1000:1000::/home:/bin/sh" >> /etc/passwd
      '';
      enableFakechroot = true;
      config.Cmd = [
        "/usr/bin/env"
        "sh"
        "-c"
        "cat /etc/passwd; ls /etc/pam.d"
      ];
    };

    # The library's own examples.
    examples = t.examples // {
      service = t.examples.service.archive;
    };
    # What dockerTools uses within itself.
    internals = {
      pure = t.mkPureLayer {
        name = "pure";
        copyToRoot = hello;
      };
      root = t.mkRootLayer {
        name = "root";
        copyToRoot = tools;
        runAsRoot = "mkdir /made";
      };
      script = t.shellScript "script" ''
        echo from a script
        false
        echo not reached
      '';
    };

    # The tests of images of shells.
    shells =
      let
        setup = build "setup" ''
          mkdir $out
          cat > $out/setup <<'END'
          runHook() { eval "''${!1}"; }
          for input in $buildInputs; do PATH=$PATH''${PATH:+:}$input/bin; done
          PATH=$PATH''${PATH:+:}${tools}/bin
          END
        '';
        derive =
          attributes:
          derivation (
            {
              name = "hello";
              system = builtins.currentSystem;
              builder = "${bashInteractive}/bin/bash";
              args = [
                "-c"
                ''source $stdenv/setup; mkdir -p $out/bin; echo "echo $greeting" > $out/bin/hello; chmod +x $out/bin/hello; exit 0''
              ];
              stdenv = setup;
              greeting = "built in a shell";
            }
            // attributes
          );
        image =
          tag: attributes: arguments:
          t.buildNixShellImage (
            {
              drv = derive attributes;
              name = "shell";
              inherit tag;
              compressor = "none";
            }
            // arguments
          );
      in
      {
        basic = image "basic" { } { };
        hook = image "hook" { shellHook = "echo hooked"; } { };
        inputs = image "inputs" { buildInputs = [ hello ]; } { };
        asFile = image "as-file" {
          passAsFile = [ "text" ];
          text = "as a file";
        } { };
        run = image "run" { } {
          run = ''
            case "$-" in
            *i*) echo This shell is interactive ;;
            *) echo This shell is not interactive ;;
            esac
          '';
        };
        command = image "command" { } {
          command = ''
            case "$-" in
            *i*) echo This shell is interactive ;;
            *) echo This shell is not interactive ;;
            esac
          '';
        };
        home = image "home" { } {
          run = "[[ $HOME == ~ ]]; touch $HOME/test-file && echo $HOME; cat /etc/passwd";
        };
        homeless = image "homeless" { } {
          homeDirectory = "/homeless-shelter";
          run = "[[ -e $HOME ]] && echo there || echo absent";
        };
        builds = image "builds" { } { run = "buildDerivation && $out/bin/hello"; };
        structured = image "structured" {
          __structuredAttrs = true;
          list = [
            "a b"
            "c'd"
          ];
          set = {
            key = "value";
          };
          args = [
            "-c"
            ''
              source $NIX_ATTRS_SH_FILE
              source $stdenv/setup
              mkdir -p ''${outputs[out]}/bin
              { declare -p list; declare -p set; } > ''${outputs[out]}/seen
                exit 0
            ''
          ];
        } { };
        database =
          (t.streamNixShellImage {
            drv = derive { buildInputs = [ pkgs.nix ]; };
            name = "shell";
            tag = "database";
            includeNixDB = true;
          }).archive;
      };
  };
in
images
