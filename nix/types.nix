# What arguments may be. A wrong one is told with the function, the image and the argument, before anything is
# built.
let
  either =
    first: second:
    {
      what = "${first.what} or ${second.what}";
      is = value: first.is value || second.is value;
    };
  orNull = type: {
    what = "${type.what} or null";
    is = value: value == null || type.is value;
  };
  listOf = type: {
    what = "a list in which each is ${type.what}";
    is = value: builtins.isList value && builtins.all type.is value;
  };
  setOf = type: {
    what = "a set in which each is ${type.what}";
    is = value: builtins.isAttrs value && builtins.all type.is (builtins.attrValues value);
  };
  string = {
    what = "a string";
    is = builtins.isString;
  };
  bool = {
    what = "true or false";
    is = builtins.isBool;
  };
  int = {
    what = "an integer";
    is = builtins.isInt;
  };
  number = {
    what = "a number from 0 on";
    is =
      value:
      builtins.isInt value && value >= 0
      || builtins.isString value && builtins.match "0|[1-9][0-9]*" value != null;
  };
  list = {
    what = "a list";
    is = builtins.isList;
  };
  attrs = {
    what = "a set";
    is = value: builtins.isAttrs value;
  };
  # What has a place in the store or is going to have one.
  path = {
    what = "a package or a path";
    is =
      value:
      builtins.isPath value
      || builtins.isString value
      || builtins.isAttrs value && (value ? outPath || value ? __toString);
  };
  # Commands: a text, or a file that holds one.
  script = either string path // {
    what = "a text of commands";
  };
  paths = {
    what = "a package, a path, a list of these, or null";
    is = value: value == null || path.is value || builtins.isList value && builtins.all paths.is value;
  };
in
{
  # What each argument may be.
  arguments = {
    name = string;
    tag = orNull string;
    fromImage = orNull path;
    fromImageName = orNull string;
    fromImageTag = orNull string;
    copyToRoot = paths;
    contents = paths;
    runAsRoot = orNull script;
    config = orNull attrs;
    keepContentsDirlinks = bool;
    architecture = orNull string;
    variant = orNull string;
    extraCommands = script;
    fakeRootCommands = script;
    enableFakechroot = bool;
    includeStorePaths = bool;
    includeNixDB = bool;
    uid = number;
    gid = number;
    uname = string;
    gname = string;
    diskSize = int;
    buildVMMemorySize = int;
    created = string;
    mtime = string;
    maxLayers = int;
    layeringPipeline = orNull (either list path);
    compressor = string;
    passthru = attrs;
    meta = attrs;
    debug = bool;
    planner = orNull (either string attrs);
    previous = either path (listOf path);
    history = orNull path;
    permissions = listOf attrs;
    files = setOf attrs;
    annotations = setOf string;
    labels = setOf string;
    baseConfig = orNull string;
    tmp = bool;
    commands = attrs;
    nixDatabase = orNull attrs;
    # Of other functions.
    imageName = string;
    imageDigest = string;
    finalImageName = string;
    finalImageTag = string;
    os = string;
    arch = orNull string;
    tlsVerify = bool;
    images = listOf path;
    drv = {
      what = "a derivation";
      is = value: builtins.isAttrs value && value ? drvAttrs;
    };
    homeDirectory = string;
    shell = path;
    command = orNull string;
    run = orNull string;
  };

  # Returns `value` if every argument may be what it is.
  check =
    types: function: image: given: value:
    let
      kinds = {
        bool = "true or false";
        float = "a number with a fraction";
        int = "an integer";
        lambda = "a function";
        list = "a list";
        null = "null";
        path = "a path";
        set = "a set";
        string = "a string";
      };
      kind =
        value:
        if builtins.isList value && value != [ ] then
          "a list with ${builtins.concatStringsSep ", " (map kind value)}"
        else
          kinds.${builtins.typeOf value};
      wrong = builtins.filter (name: types ? ${name} && !types.${name}.is given.${name}) (
        builtins.attrNames given
      );
      name = builtins.head wrong;
      named = if builtins.isString image then " of the image `${image}`" else "";
    in
    if wrong == [ ] then
      value
    else
      throw "${function}: the argument `${name}`${named} must be ${types.${name}.what}, and is ${
        kind given.${name}
      }";
}
