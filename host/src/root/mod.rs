//! The layer of everything that is not a store path, made in memory.
