# What has nothing to do with images. Nixpkgs' library has most of it, and is not needed.
rec {
  inherit (builtins)
    isAttrs
    isFunction
    isList
    isString
    ;

  # The attributes that are not null.
  given = attributes: filterAttrs (_: value: value != null) attributes;

  filterAttrs =
    keep: attributes:
    builtins.listToAttrs (
      builtins.filter (pair: keep pair.name pair.value) (
        map (name: {
          inherit name;
          value = attributes.${name};
        }) (builtins.attrNames attributes)
      )
    );

  toList = value: if value == null then [ ] else if isList value then value else [ value ];

  # The characters of a text.
  characters =
    text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);

  toLower = builtins.replaceStrings (characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (
    characters "abcdefghijklmnopqrstuvwxyz"
  );

  # The hash in the name of a store path.
  hashOf =
    path: builtins.substring 0 32 (baseNameOf (builtins.unsafeDiscardStringContext (toString path)));

  # The tag of a name that has one.
  tagOf = reference: builtins.elemAt (builtins.match "(.*):([^:]*)" reference) 1;

  # What an image is read from: where its conf.json is known, no archive of it is needed.
  sourceOf = image: "${image.conf or image}";

  # A function of named arguments, whose result has `override`: the same with other arguments.
  makeOverridable = function: makeOverridableWith (builtins.functionArgs function) function;

  # The same of a function that does not name all of its arguments itself.
  makeOverridableWith = names: function: {
    __functionArgs = names;
    __functor = _: arguments: overridable function arguments;
  };

  overridable =
    function: arguments:
    let
      result = function arguments;
      again = new: overridable function (arguments // (if isFunction new then new arguments else new));
    in
    result
    // {
      override = {
        __functionArgs = builtins.functionArgs function;
        __functor = _: again;
      };
    };

  # The store paths that a value mentions, each with what it takes to have it, but for those that nobody
  # is to have.
  storePathsIn =
    unbuilt: value:
    let
      text = builtins.toJSON value;
      context = builtins.getContext text;
      plain = builtins.unsafeDiscardStringContext text;
      directory = escape builtins.storeDir;
      parts = builtins.split "(${directory}/[0-9a-z]{32}-[0-9a-zA-Z+._?=-]+)" plain;
      paths = builtins.concatMap (part: if isList part then part else [ ]) parts;
      unique = builtins.attrNames (
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = null;
          }) paths
        )
      );
    in
    map (path: builtins.appendContext path context) (
      builtins.filter (path: !builtins.elem path unbuilt) unique
    );

  # A text for a pattern that is nothing but it.
  escape = builtins.replaceStrings [ "." "+" ] [ "\\." "\\+" ];
}
