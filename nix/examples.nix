# Images to look at, and to begin with: `terrineTools.examples`.
{
  pkgs,
  tools,
}:
rec {
  # A program, and what it refers to.
  hello = tools.buildLayeredImage {
    name = "hello";
    tag = "latest";
    config.Cmd = [ "${pkgs.hello}/bin/hello" ];
  };

  # A shell at the usual places.
  bash = tools.buildImage {
    name = "bash";
    tag = "latest";
    copyToRoot = [
      pkgs.bashInteractive
      pkgs.coreutils
      tools.binSh
      tools.usrBinEnv
    ];
    config.Cmd = [ "/bin/bash" ];
  };

  # A service of a user who is not root, with a folder of its own.
  service = tools.streamLayeredImage {
    name = "service";
    tag = "latest";
    contents = [
      (tools.fakeNss.override {
        extraPasswdLines = [ "service:x:1000:1000:service:/var/lib/service:/bin/sh" ];
        extraGroupLines = [ "service:x:1000:" ];
      })
      tools.caCertificates
      pkgs.hello
    ];
    files."/var/lib/service" = {
      directory = true;
      uid = 1000;
      gid = 1000;
    };
    tmp = true;
    config = {
      User = "1000:1000";
      WorkingDir = "/var/lib/service";
      Cmd = [ "/bin/hello" ];
    };
  };

  # More on top of another image, of which no archive is made.
  onTop = tools.buildLayeredImage {
    name = "on-top";
    tag = "latest";
    fromImage = bash;
    contents = pkgs.hello;
    config.Cmd = [ "/bin/hello" ];
  };

  # What Nix needs to work in a container.
  nix = tools.buildLayeredImageWithNixDb {
    name = "nix";
    tag = "latest";
    contents = [
      pkgs.bashInteractive
      pkgs.coreutils
      pkgs.nix
      tools.fakeNss
    ];
    tmp = true;
    config.Cmd = [ "/bin/bash" ];
  };

  # The environment in which a package is built.
  shell = tools.buildNixShellImage {
    drv = pkgs.hello;
    tag = "latest";
  };
}
