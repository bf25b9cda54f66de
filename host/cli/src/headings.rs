//! The headings of the groups of options in `--help`, the same in all commands.

/// Options about one image: its name, its tags, its platform.
pub(super) const IMAGE: &str = "Image options";
/// Options about files in an image.
pub(super) const CONTENT: &str = "Content options";
/// Options about the configuration of an image.
pub(super) const CONFIGURATION: &str = "Configuration options";
/// Options about the grouping of store paths into layers.
pub(super) const LAYERS: &str = "Layer options";
/// Options about the steps and the clients of a replay.
pub(super) const REPLAY: &str = "Replay options";
/// Options about results.
pub(super) const OUTPUT: &str = "Output options";
/// Options about caches.
pub(super) const CACHE: &str = "Cache options";
/// Options about connections to registries, and credentials.
pub(super) const REGISTRY: &str = "Registry options";
/// Limits of planners from files.
pub(super) const PLANNER_LIMITS: &str = "Planner limits";
/// Options about commands at the root.
pub(super) const ROOT: &str = "Options for commands at the root";
/// Options of all commands.
pub(super) const GLOBAL: &str = "Global options";
