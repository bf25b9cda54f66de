# Images with the environment in which a derivation is built, as `nix-shell` has it.
{
  lib,
  build,
  images,
  helpers,
  pkgs,
  spec,
  types,
}:
let
  # A text as a word for a shell.
  quote = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  lines = list: builtins.concatStringsSep "" (map (line: "${line}\n") list);

  # A value as it is in the environment of a build.
  valueToString =
    value:
    if builtins.isPath value then
      "${value}"
    else if builtins.isList value then
      builtins.concatStringsSep " " (map valueToString value)
    else if value == true then
      "1"
    else if value == false || value == null then
      ""
    else
      toString value;

  # The outputs of a derivation: their paths and not what is there, which is yet to be built.
  outputsOf =
    drv:
    map (name: {
      inherit name;
      value = builtins.unsafeDiscardStringContext drv.${name}.outPath;
    }) (drv.outputs or [ "out" ]);

  # A text with the places of the outputs where a derivation has stand-ins for them.
  withOutputs =
    drv: text:
    let
      outputs = outputsOf drv;
    in
    builtins.replaceStrings (map (output: builtins.placeholder output.name) outputs) (map (
      output: output.value
    ) outputs) text;

  # The environment of a derivation: its attributes and its outputs.
  environmentOf =
    drv:
    let
      attributes = builtins.removeAttrs drv.drvAttrs [ "args" ];
      asFile = lib.toList (drv.drvAttrs.passAsFile or null);
      variable =
        name: value:
        if builtins.elem name asFile then
          {
            name = "${name}Path";
            value = "${
              helpers.files "shell-passAsFile-${name}" { "value".text = withOutputs drv (valueToString value); }
            }/value";
          }
        else
          {
            inherit name;
            value = withOutputs drv (valueToString value);
          };
      outputs = outputsOf drv;
    in
    builtins.listToAttrs (
      map (name: variable name attributes.${name}) (builtins.attrNames attributes) ++ outputs
    );

  image =
    function:
    {
      drv,
      name ? "${drv.name}-env",
      tag ? null,
      uid ? 1000,
      gid ? 1000,
      homeDirectory ? "/build",
      shell ?
        if pkgs == null then
          throw "streamNixShellImage: the image needs a shell: give `shell`, or the library `pkgs`"
        else
          "${pkgs.bashInteractive}/bin/bash",
      command ? null,
      run ? null,
      ...
    }@arguments:
    assert types.check types.arguments "streamNixShellImage" name arguments true;
    assert
      command == null || run == null || throw "streamNixShellImage: Can't specify both command and run";
    let
      owner = {
        uid = spec.number uid;
        gid = spec.number gid;
      };
      isStructured = drv.drvAttrs.__structuredAttrs or false;
      structured = (import ./structured.nix).files drv.drvAttrs (builtins.listToAttrs (outputsOf drv));
      directory = owner // {
        directory = true;
      };
      value = value: withOutputs drv (valueToString value);
      text = if command != null then command else run;
      # Builds the derivation, in the shell.
      builder = helpers.files "build-derivation" {
        "bin/buildDerivation".program = ''
          #!${shell}
          exec ${quote (value drv.drvAttrs.builder)} ${
            builtins.concatStringsSep " " (map (word: quote (value word)) (drv.drvAttrs.args or [ ]))
          }
        '';
      };
      staticPath = "${dirOf shell}:${builder}/bin";
      rc = "${
        helpers.files "nix-shell-rc" {
          "rc".text =
            lines [
              # Not for the shells that this one starts.
              ''[ "$BASH_ENV" = "''${BASH_SOURCE[0]}" ] && unset BASH_ENV''
              "unset PATH"
              "dontAddDisableDepTrack=1"
            ]
            + (if isStructured then ''[ -e "$NIX_ATTRS_SH_FILE" ] && source "$NIX_ATTRS_SH_FILE"'' + "\n" else "")
            + lines [
              ''[ -e "$stdenv/setup" ] && source "$stdenv/setup"''
              ''PATH=${staticPath}:"$PATH"''
              "SHELL=${shell}"
              "BASH=${shell}"
              "set +e"
              ''if [ -n "$PS1" ] && [ -z "$NIX_SHELL_PRESERVE_PROMPT" ]; then PS1='\n\[\033[1;32m\][nix-shell:\w]\$\[\033[0m\] '; fi''
              ''if [ "$(type -t runHook)" = function ]; then runHook shellHook; fi''
              "unset NIX_ENFORCE_PURITY"
              "shopt -u nullglob"
              "shopt -s execfail"
            ]
            + (if text == null then "" else "${text}\nexit\n");
        }
      }/rc";
      # Runs what a container is given for a command in the same environment.
      enter = helpers.files "nix-shell-enter" {
        "bin/enter".program = ''
          #!${shell}
          if [ "$1" = ${quote shell} ]; then
            # Read where the shell is not interactive, as `--rcfile` is where it is.
            if [ "$2" = --rcfile ]; then export BASH_ENV="$3"; fi
            exec "$@"
          fi
          source ${rc}
          export PATH
          exec "$@"
        '';
      };
      environment = {
        PATH = staticPath;
        HOME = homeDirectory;
        NIX_STORE = builtins.storeDir;
        NIX_BUILD_CORES = "1";
      }
      // (
        if pkgs == null then
          { }
        else
          {
            SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
            NIX_SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
          }
      )
      // (
        if isStructured then
          {
            NIX_ATTRS_JSON_FILE = "/build/.attrs.json";
            NIX_ATTRS_SH_FILE = "/build/.attrs.sh";
          }
          # As `nix-shell` has them: for commands, not for the builder.
          // builtins.listToAttrs (outputsOf drv)
        else
          environmentOf drv
      )
      // {
        NIX_BUILD_TOP = "/build";
        TMPDIR = "/build";
        TEMPDIR = "/build";
        TMP = "/build";
        TEMP = "/build";
        PWD = "/build";
        TERM = "xterm-256color";
      };
      users = {
        extraPasswdLines = [
          "nixbld:x:${toString uid}:${toString gid}:Build user:${homeDirectory}:/noshell"
        ];
        extraGroupLines = [ "nixbld:!:${toString gid}:" ];
      };
    in
    function (map (output: output.value) (outputsOf drv)) (
      builtins.removeAttrs arguments [
        "drv"
        "uid"
        "gid"
        "homeDirectory"
        "shell"
        "command"
        "run"
      ]
      // {
        inherit name tag;
        contents = [
          (helpers.fakeNss.override users)
          (helpers.files "bin-sh" { "bin/sh".link = shell; })
        ]
        ++ (if pkgs == null then [ ] else [ helpers.usrBinEnv ])
        ++ lib.toList (arguments.contents or null);
        files = {
          "/build" = directory;
          "/etc/nix" = directory;
          "/nix" = directory;
        }
        // (
          # The database has the directories that Nix writes to.
          if arguments.includeNixDB or false then
            { }
          else
            {
              "/nix/store" = directory;
              "/nix/var/nix" = directory;
            }
        )
        // (
          if isStructured then
            {
              "/build/.attrs.json" = owner // {
                text = withOutputs drv structured.json;
              };
              "/build/.attrs.sh" = owner // {
                text = withOutputs drv structured.shell;
              };
            }
          else
            { }
        )
        // arguments.files or { };
        nixDatabase = arguments.nixDatabase or (if arguments.includeNixDB or false then owner else null);
        config = {
          User = "${toString uid}:${toString gid}";
          WorkingDir = "/build";
          Entrypoint = [ "${enter}/bin/enter" ];
          Cmd = if run == null then [ shell "--rcfile" rc ] else [ shell rc ];
        }
        // arguments.config or { }
        // {
          # What is given counts more.
          Env =
            map (name: "${name}=${environment.${name}}") (builtins.attrNames environment)
            ++ arguments.config.Env or [ ];
        };
      }
    );
in
{
  streamNixShellImage = image images.streamImage;
  buildNixShellImage = image images.layeredImage;
}
