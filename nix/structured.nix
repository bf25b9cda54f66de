# The attributes of a derivation with `__structuredAttrs`, as Nix gives them to its builder: `.attrs.json`, and
# `.attrs.sh` for shells.
let
  quote = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  isName = name: builtins.match "[A-Za-z_][A-Za-z0-9_]*" name != null;

  # A value that is one word for a shell; null for others.
  simple =
    value:
    if builtins.isString value || builtins.isPath value then
      quote "${value}"
    else if builtins.isAttrs value && (value ? outPath || value ? __toString) then
      quote "${value}"
    else if value == null then
      "''"
    else if value == true then
      "1"
    else if value == false then
      ""
    else if builtins.isInt value then
      toString value
    else if builtins.isFloat value && builtins.floor value == value then
      toString (builtins.floor value)
    else
      null;

  declare =
    name: value:
    let
      word = simple value;
      # Places come before sets: what is a package is a text.
      words = map simple value;
      keys = builtins.attrNames value;
    in
    if !isName name then
      ""
    else if word != null then
      "declare ${name}=${word}\n"
    else if builtins.isList value then
      if builtins.elem null words then
        ""
      else
        "declare -a ${name}=(${builtins.concatStringsSep "" (map (word: "${word} ") words)})\n"
    else if builtins.isAttrs value && !builtins.any (key: simple value.${key} == null) keys then
      "declare -A ${name}=(${
        builtins.concatStringsSep "" (map (key: "[${quote key}]=${simple value.${key}} ") keys)
      })\n"
    else
      "";
in
{
  # What a builder finds, given the attributes of a derivation and its outputs by their names.
  files =
    attributes: outputs:
    let
      ignoreNulls = attributes.__ignoreNulls or false;
      kept = builtins.filter (name: !(ignoreNulls && attributes.${name} == null)) (
        builtins.attrNames (
          builtins.removeAttrs attributes [
            "args"
            "__structuredAttrs"
            "__ignoreNulls"
          ]
        )
      );
      all =
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = attributes.${name};
          }) kept
        )
        // {
          inherit outputs;
        };
    in
    {
      json = builtins.toJSON all;
      shell = builtins.concatStringsSep "" (map (name: declare name all.${name}) (builtins.attrNames all));
    };
}
