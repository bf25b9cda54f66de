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
    __functor = _: arguments: overridableWith names function arguments;
  };

  overridable = function: overridableWith (builtins.functionArgs function) function;

  overridableWith =
    names: function: arguments:
    let
      result = function arguments;
      again =
        new: overridableWith names function (arguments // (if isFunction new then new arguments else new));
    in
    result
    // {
      override = {
        __functionArgs = names;
        __functor = _: again;
      };
    };

  # A list of what may be lists in each other, without what is null.
  flatten =
    value:
    if isList value then
      builtins.concatMap flatten value
    else if value == null then
      [ ]
    else
      [ value ];

  # The names that store paths of a context have behind their hashes: those of sources, and of outputs.
  namesIn =
    context:
    let
      nameOf = path: builtins.substring 33 (-1) (baseNameOf path);
      names =
        path:
        let
          source = nameOf path;
          drv = builtins.match "(.*)[.]drv" source;
          name = builtins.head drv;
          outputs = context.${path}.outputs or [ ];
        in
        if drv == null || outputs == [ ] && !(context.${path}.allOutputs or false) then
          [ source ]
        else
          map (output: if output == "out" then name else "${name}-${output}") outputs;
    in
    builtins.concatMap names (builtins.attrNames context);

  # The texts in a value that come from something which is built, or copied to the store.
  textsIn =
    value:
    if isString value then
      if builtins.hasContext value then [ value ] else [ ]
    else if builtins.isPath value || isAttrs value && (value ? outPath || value ? __toString) then
      [ "${value}" ]
    else if isList value then
      builtins.concatMap textsIn value
    else if isAttrs value then
      builtins.concatMap textsIn (builtins.attrValues value)
    else
      [ ];

  # The store paths that a value mentions, each with what it takes to have it, but for those that nobody
  # is to have. A text may go on behind a path, and may look like one: what counts are the names that the
  # context has.
  storePathsIn =
    unbuilt: value:
    let
      text = builtins.concatStringsSep "\n" (textsIn value);
      context = builtins.getContext text;
      plain = builtins.unsafeDiscardStringContext text;
      known = builtins.sort (a: b: builtins.stringLength a > builtins.stringLength b) (namesIn context);
      directory = escape builtins.storeDir;
      parts = builtins.split "${directory}/([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9a-zA-Z+._?=-]+)" plain;
      whole =
        part:
        let
          rest = builtins.elemAt part 1;
          starts = name: builtins.substring 0 (builtins.stringLength name) rest == name;
          found = builtins.filter starts known;
        in
        if found == [ ] then
          [ ]
        else
          [ "${builtins.storeDir}/${builtins.head part}-${builtins.head found}" ];
      paths = builtins.concatMap (part: if isList part then whole part else [ ]) parts;
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
