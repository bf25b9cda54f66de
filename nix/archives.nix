# What takes images that are there and makes others.
{
  lib,
  build,
  go,
  types,
  certificates,
}:
let
  # The one hash of a fixed output, by whatever name it is given.
  hashFrom =
    arguments:
    let
      names = [
        "hash"
        "sha256"
        "sha512"
        "outputHash"
      ];
      found = builtins.filter (name: arguments.${name} or null != null) names;
      name = builtins.head found;
      value = arguments.${name};
    in
    if found == [ ] then
      throw "pullImage: fetcher called without `hash`"
    else if builtins.length found > 1 then
      throw "pullImage: multiple hashes passed: ${toString found}"
    else if name == "hash" then
      {
        outputHash = value;
        # Of none yet: Nix says what it is.
        outputHashAlgo = if value == "" then "sha256" else null;
      }
    else if name == "outputHash" then
      {
        outputHash = value;
        outputHashAlgo = arguments.outputHashAlgo or null;
      }
    else
      {
        outputHash = value;
        outputHashAlgo = name;
      };

  fileName = builtins.replaceStrings [ "/" ":" ] [ "-" "-" ];
in
{
  pullImage =
    {
      imageName,
      imageDigest,
      hash ? null,
      sha256 ? null,
      sha512 ? null,
      outputHash ? null,
      outputHashAlgo ? null,
      os ? "linux",
      arch ? if go == null then null else go.GOARCH,
      variant ? null,
      finalImageName ? imageName,
      finalImageTag ? "latest",
      tlsVerify ? true,
      name ? fileName "docker-image-${finalImageName}-${finalImageTag}.tar",
    }@arguments:
    let
      platform =
        if arch == null then
          null
        else
          "${os}/${arch}${if variant == null || variant == "" then "" else "/${variant}"}";
      passthru = {
        inherit imageDigest;
        # As it is loaded.
        imageName = finalImageName;
        imageTag = finalImageTag;
      };
    in
    types.check types.arguments "pullImage" imageName arguments (build.run {
      inherit name passthru;
      arguments = [
        "copy"
        "docker://${imageName}@${imageDigest}"
        "docker-archive:@out@:${finalImageName}:${finalImageTag}"
      ]
      ++ (
        if platform == null then
          [ ]
        else
          [
            "--platform"
            platform
          ]
      )
      ++ (if tlsVerify then [ ] else [ "--tls-verify=false" ]);
      attributes = lib.given (hashFrom arguments // { inherit certificates; }) // {
        outputHashMode = "flat";
        impureEnvVars = [
          "http_proxy"
          "https_proxy"
          "ftp_proxy"
          "all_proxy"
          "no_proxy"
          "HTTP_PROXY"
          "HTTPS_PROXY"
          "FTP_PROXY"
          "ALL_PROXY"
          "NO_PROXY"
          "NIX_SSL_CERT_FILE"
        ];
      };
    });

  # One archive with all images of others, compressed as the last of these is.
  mergeImages =
    images:
    types.check types.arguments "mergeImages" null { inherit images; } (build.derive {
      name = "merge-docker-images";
      kind = "merge";
      attributes = {
        # A stream has its name in its conf.json. An archive may have another.
        images = map (image: if image.isExe or false then lib.sourceOf image else "${image}") images;
        unsafeDiscardReferences.out = true;
      };
    });

  # The files of an image, as a tar archive.
  exportImage =
    {
      fromImage,
      name ? fromImage.name,
      fromImageName ? null,
      fromImageTag ? null,
      diskSize ? 1024,
    }@arguments:
    types.check types.arguments "exportImage" name arguments (build.run {
      inherit name;
      arguments = [
        "export"
        (lib.sourceOf fromImage)
        "--output"
        "@out@"
      ];
      attributes.unsafeDiscardReferences.out = true;
    });

  # Images of several platforms under one name: a layout of OCI's, and the way to a registry.
  buildIndex =
    {
      name,
      tag ? "latest",
      images,
    }@arguments:
    let
      base = baseNameOf name;
      reference = "${lib.toLower name}:${tag}";
      sources = map lib.sourceOf images;
      push = build.app "push-${base}" (
        [ "index" ]
        ++ sources
        ++ [
          "--to"
          "docker://${reference}"
        ]
      );
      copyTo = build.app "copy-${base}" ([ "index" ] ++ sources ++ [ "--to" ]);
    in
    types.check types.arguments "buildIndex" name arguments (build.run {
      name = base;
      arguments = [
        "index"
      ]
      ++ sources
      ++ [
        "--to"
        "oci:@out@:${tag}"
      ];
      attributes.unsafeDiscardReferences.out = true;
      passthru = {
        imageName = lib.toLower name;
        imageTag = tag;
        inherit images push copyTo;
      };
    });
}
