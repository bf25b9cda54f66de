# Images: buildImage, buildLayeredImage, streamLayeredImage.
{
  lib,
  build,
  spec,
  types,
}:
let
  compressors = {
    none = {
      extension = "";
      compression = "none";
    };
    gz = {
      extension = ".gz";
      compression = "gzip";
    };
    zstd = {
      extension = ".zst";
      compression = "zstd";
    };
  };

  compressorOf =
    name: compressor:
    compressors.${compressor}
      or (throw "in docker image ${name}: compressor must be one of: [${toString (builtins.attrNames compressors)}]");

  # Programs for an image under a name. With `isOther` it is another one than its `conf` has.
  apps =
    {
      base,
      drv,
      reference,
      isOther ? false,
    }:
    let
      stream = [
        "stream"
        "${drv.conf}"
      ]
      ++ (
        if isOther then
          [
            "--repo-tag"
            reference
          ]
        else
          [ ]
      );
      to =
        verb: place:
        build.app "${verb}-${base}" (
          stream
          ++ [
            "--to"
            place
          ]
        );
    in
    {
      # The image to the registry that its name says, with what is missing there.
      push = to "push" "docker://${reference}";
      # The image to the storage of docker, or of podman, on this machine.
      load = to "load" "docker-daemon:${reference}";
      loadPodman = to "load" "containers-storage:${reference}";
      # The image to a place that is an argument.
      copyTo = build.app "copy-${base}" (stream ++ [ "--to" ]);
      # The layers, and why they are what they are.
      plan = build.app "plan-${base}" (
        [
          "plan"
          "${drv.spec}/image.json"
        ]
        ++ (
          if isOther then
            [
              "--tag"
              (lib.tagOf reference)
            ]
          else
            [ ]
        )
      );
    };

  # Everything that can be had of an image that is described by `fields`.
  image =
    {
      base,
      imageName,
      tag,
      fields,
      # Store paths that are mentioned and not built.
      unbuilt ? [ ],
      passthru ? { },
      meta ? { },
    }:
    let
      drv = build.derive {
        name = base;
        kind = "image";
        outputs = [
          "out"
          "conf"
          "layer"
          "spec"
        ];
        inherit meta;
        attributes = {
          spec = if unbuilt == [ ] then fields else fields // { absentPaths = unbuilt; };
          exportReferencesGraph.closure = lib.storePathsIn unbuilt fields;
        };
      };
      imageTag = if tag != null then tag else lib.hashOf drv.conf;
      own = apps {
        inherit base drv;
        reference = "${imageName}:${imageTag}";
      }
      // {
        inherit imageName imageTag;
        inherit (drv) conf;
        streamScript = build.program;
        isExe = true;
        archive = archive {
          name = "${base}.tar";
          image = self;
          compression = "none";
        };
      };
      all = passthru // own;
      self =
        drv
        // all
        // {
          passthru = all;
        };
    in
    self;

  # A docker-archive of an image. With `ownTag` its tag is the hash of the archive.
  archive =
    {
      name,
      image,
      compression,
      ownTag ? false,
      passthru ? { },
      meta ? { },
    }:
    build.derive {
      inherit name meta passthru;
      kind = "archive";
      attributes = {
        conf = "${image.conf}";
        inherit compression;
        # For those who ask a derivation for it.
        inherit (image) imageName;
        # An archive that is not compressed would refer to all that is in it.
        unsafeDiscardReferences.out = true;
      }
      // (if ownTag then { repository = image.imageName; } else { });
    };

  checkMaxLayers =
    maxLayers: layeringPipeline: value:
    if layeringPipeline == null && maxLayers < 2 then
      throw "the maxLayers argument of dockerTools.buildLayeredImage function must be greather than 1 (current value: ${toString maxLayers})"
    else
      value;

  checkPlanner =
    name: planner: layeringPipeline: value:
    if planner != null && layeringPipeline != null then
      throw "in docker image ${name}: You cannot specify both planner and layeringPipeline."
    else
      value;

  check =
    function: given:
    types.check types.arguments function (given.name or null) given;

  stream =
    unbuilt:
    {
      name,
      tag ? null,
      fromImage ? null,
      contents ? [ ],
      config ? { },
      architecture ? spec.defaultArchitecture,
      variant ? spec.defaultVariant,
      created ? "1970-01-01T00:00:01Z",
      mtime ? "1970-01-01T00:00:01Z",
      uid ? 0,
      gid ? 0,
      uname ? "root",
      gname ? "root",
      maxLayers ? 100,
      extraCommands ? "",
      fakeRootCommands ? "",
      enableFakechroot ? false,
      includeStorePaths ? true,
      includeNixDB ? false,
      passthru ? { },
      meta ? { },
      layeringPipeline ? null,
      debug ? false,
      # terrine's own.
      planner ? null,
      previous ? [ ],
      history ? null,
      permissions ? [ ],
      files ? { },
      annotations ? { },
      labels ? { },
      baseConfig ? null,
      tmp ? false,
      commands ? { },
      nixDatabase ? null,
    }@given:
    let
      arguments = defaults // spec.own // given;
      defaults = {
        variant = spec.variantFor architecture;
        inherit
          tag
          fromImage
          config
          architecture
          created
          extraCommands
          fakeRootCommands
          includeNixDB
          ;
      };
      fields = spec.make (arguments // { name = lib.toLower name; }) {
        contents = spec.places contents;
        inherit mtime uname gname;
        uid = spec.number uid;
        gid = spec.number gid;
        maxLayers = if layeringPipeline == null then maxLayers else null;
        inherit layeringPipeline;
        fakeRootCommands = spec.text fakeRootCommands;
        enableFakechroot = if enableFakechroot then true else null;
        includeStorePaths = if includeStorePaths then null else false;
        planner =
          if planner != null then
            planner
          else if layeringPipeline != null then
            null
          else
            "auto";
      };
    in
    check "streamLayeredImage" given (
      checkMaxLayers maxLayers layeringPipeline (
        checkPlanner name planner layeringPipeline (image {
      base = baseNameOf name;
      imageName = lib.toLower name;
      inherit
        unbuilt
        tag
        fields
        passthru
        meta
        ;
    })));

  streamImage = unbuilt: lib.makeOverridable (stream unbuilt);
  streamArgs = builtins.functionArgs (stream [ ]);

  layeredImage =
    unbuilt:
    let
      function =
        arguments:
        let
          compressor = check "buildLayeredImage" arguments (arguments.compressor or "gz");
          inherit (compressorOf arguments.name compressor) extension compression;
          streamed = streamImage unbuilt (
            builtins.removeAttrs arguments [
              "compressor"
              "meta"
            ]
          );
        in
        archive {
          name = "${baseNameOf arguments.name}.tar${extension}";
          image = streamed;
          inherit compression;
          meta = arguments.meta or { };
          passthru = {
            inherit (streamed)
              imageName
              imageTag
              conf
              push
              load
              loadPodman
              copyTo
              plan
              ;
            stream = streamed;
          };
        };
    in
    lib.makeOverridableWith (streamArgs // { compressor = true; }) function;
in
rec {
  inherit streamImage layeredImage;

  streamLayeredImage = streamImage [ ];
  buildLayeredImage = layeredImage [ ];

  buildImage = lib.makeOverridable (
    {
      name,
      tag ? null,
      fromImage ? null,
      fromImageName ? null,
      fromImageTag ? null,
      copyToRoot ? null,
      contents ? null,
      keepContentsDirlinks ? false,
      config ? null,
      architecture ? spec.defaultArchitecture,
      variant ? spec.defaultVariant,
      extraCommands ? "",
      runAsRoot ? null,
      uid ? 0,
      gid ? 0,
      diskSize ? 1024,
      buildVMMemorySize ? 512,
      created ? "1970-01-01T00:00:01Z",
      compressor ? "gz",
      includeNixDB ? false,
      meta ? { },
      # terrine's own.
      planner ? null,
      previous ? [ ],
      history ? null,
      permissions ? [ ],
      files ? { },
      annotations ? { },
      labels ? { },
      baseConfig ? null,
      tmp ? false,
      commands ? { },
      nixDatabase ? null,
    }@given:
    let
      inherit (compressorOf name compressor) extension compression;
      rootContents =
        if copyToRoot != null && contents != null then
          throw "in docker image ${name}: You cannot specify both contents and copyToRoot."
        else if contents != null then
          builtins.trace "in docker image ${name}: The contents parameter is deprecated. Change to copyToRoot if the contents are designed to be copied to the root filesystem, such as when you use `buildEnv` or similar between contents and your packages. Use copyToRoot = buildEnv { ... }; or similar if you intend to add packages to /bin." contents
        else
          copyToRoot;
      defaults = {
        variant = spec.variantFor architecture;
        inherit
          tag
          fromImage
          config
          architecture
          created
          extraCommands
          runAsRoot
          includeNixDB
          ;
      };
      fields = spec.make (defaults // spec.own // given // { name = lib.toLower name; }) {
        copyToRoot = spec.places rootContents;
        runAsRoot = if runAsRoot == null then null else spec.text runAsRoot;
        planner = if planner != null then planner else "single";
        permissions =
          (if permissions == [ ] then [ ] else permissions)
          ++ (
            if spec.number uid == 0 && spec.number gid == 0 || runAsRoot != null then
              [ ]
            else
              [
                # The store stays root's: the first rule for a path counts.
                { path = "${builtins.storeDir}/**"; }
                { path = builtins.storeDir; }
                { path = dirOf builtins.storeDir; }
                {
                  path = "/**";
                  uid = spec.number uid;
                  gid = spec.number gid;
                }
              ]
          );
      };
      layered = image {
        base = baseNameOf name;
        imageName = lib.toLower name;
        # Where none is given it is the hash of the archive.
        tag = if tag == null then "unset" else tag;
        fields = fields // {
          tag = if tag == null then "unset" else tag;
        };
      };
      drv = archive {
        name = "docker-image-${baseNameOf name}.tar${extension}";
        image = layered;
        inherit compression meta;
        ownTag = tag == null;
      };
      imageTag = if tag == null then lib.hashOf drv else tag;
      own = apps {
        base = baseNameOf name;
        drv = layered;
        reference = "${lib.toLower name}:${imageTag}";
        isOther = tag == null;
      }
      // {
        imageName = lib.toLower name;
        inherit imageTag;
        buildArgs = given;
        inherit (layered) layer conf;
      };
    in
    check "buildImage" given (
      drv
      // own
      // {
        passthru = own;
      }
    )
  );

  buildLayeredImageWithNixDb = arguments: buildLayeredImage (arguments // { includeNixDB = true; });

  buildImageWithNixDb = arguments: buildImage (arguments // { includeNixDB = true; });
}
