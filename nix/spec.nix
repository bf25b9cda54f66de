# Specifications of images, out of the arguments of functions.
{
  lib,
  go,
  hostSystem,
  tools,
  shell,
  system,
}:
let
  # A path, a package or a text, as the text that terrine finds it by.
  place = value: "${value}";
  places = value: map place (lib.flatten value);
  # Commands: a text, or a file that holds them.
  text =
    value:
    let
      commands = if builtins.isPath value then builtins.readFile value else "${value}";
    in
    if commands == "" then null else commands;
  # An integer, which dockerTools takes as a text as well.
  number = value: if builtins.isString value then builtins.fromJSON value else value;
in
rec {
  defaultArchitecture = if go == null then null else go.GOARCH;

  defaultVariant =
    let
      goarm = if go == null then "" else toString (go.GOARM or "");
    in
    if goarm == "" then null else "v${goarm}";

  # The variant that is meant where none is given: another architecture has not that of the host.
  variantFor =
    architecture: if architecture == defaultArchitecture then defaultVariant else null;

  # The fields that terrine has and dockerTools has not, with what stands for none.
  own = {
    planner = null;
    previous = [ ];
    history = null;
    permissions = [ ];
    files = { };
    annotations = { };
    labels = { };
    baseConfig = null;
    tmp = false;
    commands = { };
    nixDatabase = null;
  };

  # A specification: what is given of `fields`, and what the arguments of a function say.
  make =
    arguments: fields:
    let
      scripts = [
        (arguments.extraCommands or "")
        (arguments.fakeRootCommands or "")
        (if arguments.runAsRoot or null == null then "" else arguments.runAsRoot)
      ];
      hasCommands = builtins.any (script: text script != null) scripts;
      commands = arguments.commands or { };
      default = lib.given {
        path = map place tools;
        inherit shell;
      };
      base = arguments.fromImage or null;
      isDarwin = builtins.match ".*-darwin" system != null;
    in
    assert
      !(hasCommands && isDarwin)
      || throw "in docker image ${arguments.name}: commands at the root need Linux, and this is built on ${system}. Make what they make in a package of its own, say it by `files` and `permissions`, or take the functions of Nixpkgs for Linux, which a builder for Linux builds.";
    lib.given (
      {
        inherit (arguments) name tag config;
        architecture = arguments.architecture;
        system = if arguments.architecture == null then hostSystem else null;
        variant = if arguments.variant == "" then null else arguments.variant;
        fromImage = if base == null then null else lib.sourceOf base;
        inherit (arguments) created;
        extraCommands = text (arguments.extraCommands or "");
        commands = if hasCommands || commands != { } then default // commands else null;
        planner = arguments.planner;
        previous = if arguments.previous == [ ] then null else arguments.previous;
        history = if arguments.history == null then null else place arguments.history;
        permissions = if arguments.permissions == [ ] then null else arguments.permissions;
        files = if arguments.files == { } then null else arguments.files;
        annotations = if arguments.annotations == { } then null else arguments.annotations;
        labels = if arguments.labels == { } then null else arguments.labels;
        inherit (arguments) baseConfig nixDatabase;
        tmp = if arguments.tmp then true else null;
        includeNixDB = if arguments.includeNixDB then true else null;
      }
      // fields
    );

  inherit
    place
    places
    text
    number
    ;
}
