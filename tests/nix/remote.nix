# Images from a registry and to one, whose name the test knows.
{
  terrine,
  library,
  busybox,
  # The registry, the digest of its image `hello`, and the hash of the archive of it.
  registry,
  imageDigest ? "",
  hash ? "",
  authority ? null,
}:
let
  inherit (import ./images.nix { inherit terrine library busybox; })
    terrineTools
    package
    hello
    greeting
    ;
  # With an authority that the machine does not know.
  trusting = import library {
    terrine = package;
    system = builtins.currentSystem;
    certificates = builtins.path {
      name = "authority";
      path = authority;
    };
  };
  pull = {
    imageName = "${registry}/hello";
    inherit imageDigest hash;
    finalImageName = "hello";
    finalImageTag = "pulled";
  };
in
rec {
  pulled = terrineTools.pullImage (pull // { tlsVerify = false; });
  checked = trusting.pullImage (pull // { name = "checked.tar"; });
  unchecked = terrineTools.pullImage (
    pull
    // {
      name = "unchecked.tar";
      tlsVerify = false;
    }
  );
  unknown = terrineTools.pullImage (pull // { name = "unknown.tar"; });
  onPulled = terrineTools.buildLayeredImage {
    name = "on-pulled";
    tag = "1";
    fromImage = pulled;
    contents = greeting;
    config.Cmd = [ "/bin/hello" ];
    compressor = "none";
  };
  stream = terrineTools.streamLayeredImage {
    name = "${registry}/pushed";
    tag = "stream";
    contents = hello;
    config.Cmd = [ "/bin/hello" ];
  };
  plain = terrineTools.buildImage {
    name = "${registry}/plain";
    copyToRoot = hello;
  };
  base = terrineTools.streamLayeredImage {
    name = "${registry}/pushed";
    tag = "base";
    contents = greeting;
  };
  onStream = terrineTools.streamLayeredImage {
    name = "${registry}/pushed";
    tag = "on-stream";
    fromImage = base;
    extraCommands = "mkdir here";
  };
  index = terrineTools.buildIndex {
    name = "${registry}/pushed";
    tag = "index";
    # Nothing in it is for one platform alone.
    images = map (architecture: base.override { inherit architecture; }) [
      "amd64"
      "arm64"
    ];
  };
  layered = terrineTools.buildLayeredImage {
    name = "${registry}/pushed";
    tag = "layered";
    contents = hello;
  };
}
